"""YOLO annotations: one text file for each image, one line for each object."""

import math
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import yaml

from vidi.data.dataset import Box, LabelledImage
from vidi.data.readers.parts import folder_part
from vidi.data.readers.source import Reading, Source
from vidi.errors import DataError
from vidi.files import escape_path

MOST_CLASSES = 100_000
_PARTS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
MOST_BYTES = 1 << 20  # 20,000 class names take half of it
_NAMES_CLASSES = re.compile(r"^names\s*:", re.MULTILINE)
_NAME_FILES = ("classes.txt", "obj.names", "classes.names", "_darknet.labels", "labels.names")
_SETTINGS = (".yaml", ".yml")
_BOX_FIELDS = (5, 6)  # class, centre, size, and in files that a detector wrote its confidence


@dataclass(frozen=True, slots=True)
class YoloSettings:
    """What a data set's YAML file says."""

    names: tuple[str, ...]  # by class number
    folders: Mapping[str, str]  # the part of each folder of images, from the source's root

    def part_of(self, path: str) -> str | None:
        """The part of the longest folder that holds the image."""
        inside = [folder for folder in self.folders if f"/{path}".startswith(f"/{folder}/".replace("//", "/"))]
        return self.folders[max(inside, key=len)] if inside else None


def read_settings(data: bytes, path: str) -> YoloSettings | None:
    """The settings in a YAML file; None where it names no classes.

    Raises:
        DataError: it is not YAML, or the class names are written in a way that is not read.
    """
    values = read_yaml(data, path)
    if values is None or "names" not in values:
        return None
    listed = _listed(values["names"])
    if not listed:
        raise DataError(
            f"{escape_path(path)}: its `names` are neither a list nor numbered",
            "Write them as `names: [cat, dog]`, or give them with `--names 0=cat,1=dog`.",
        )
    return YoloSettings(listed, _folders(values, posixpath.dirname(path)))


def _listed(names: object) -> tuple[str, ...]:
    """The class names by number; none where they are something else than text."""
    if isinstance(names, list):
        return tuple(names) if all(isinstance(name, str) for name in names) else ()
    if not isinstance(names, dict) or not names or not all(isinstance(key, str) and key.isdecimal() for key in names):
        return ()
    numbered = {int(key): name for key, name in names.items() if isinstance(name, str)}
    if len(numbered) < len(names):
        return ()
    return tuple(numbered.get(number, str(number)) for number in range(min(max(numbered) + 1, MOST_CLASSES)))


def _folders(values: Mapping[str, object], base: str) -> dict[str, str]:
    """The part of each folder that the file names; those outside the source name nothing."""
    found = {}
    root = values.get("path", "")
    for key, part in _PARTS.items():
        named = values.get(key)
        for folder in named if isinstance(named, list) else [named]:
            if not isinstance(folder, str):
                continue
            for parent in (posixpath.join(base, root if isinstance(root, str) else ""), base):
                place = posixpath.normpath(posixpath.join(parent, folder))
                if not place.startswith(("/", "..")):
                    found[place] = part
    return found


def read_yaml(data: bytes, path: str) -> Mapping[str, object] | None:
    """The top-level keys of a YAML file; None where it is something else than a mapping.

    Every value is text, a list or a mapping: a class called `no` stays `no`, and `!!python/…` makes nothing.

    Raises:
        DataError: it names classes, but is too large or not YAML.
    """
    text = data[: MOST_BYTES + 1].decode("utf-8-sig", "replace")
    if not _NAMES_CLASSES.search(text):
        return None
    if len(data) > MOST_BYTES:
        raise DataError(
            f"{escape_path(path)} has {len(data):,} bytes; a list of class names has at most {MOST_BYTES:,}",
            "Write the names into a smaller file, or give them with `--names 0=cat,1=dog`.",
        )
    try:
        # The base loader does less than the safe one: no merging of keys, which some lines can make endless.
        values = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(
            f"{escape_path(path)}{_line(error)} is not YAML: {getattr(error, 'problem', None) or 'nested too deeply'}",
            "Correct it, or give the class names with `--names 0=cat,1=dog`.",
        ) from error
    return values if isinstance(values, dict) else None


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f", line {mark.line + 1},"


def read_yolo(source: Source) -> Reading | None:
    """Images in `images` folders with their text files in `labels` folders, or both side by side.

    Class names come from a YAML file with `names`, else from `classes.txt`, else the numbers are the names. An
    image without a text file, or with an empty one, shows none of the classes.

    Raises:
        DataError: a line is not a class number and a box or outline; file and line are named.
    """
    if not source.may_be(*_SETTINGS):
        return None
    label_paths = _label_paths(source)
    settings = _find_settings(source)
    if settings is None and not any(_is_annotation(source, path) for path in sorted(label_paths.values())[:20]):
        return None
    images = [file.path for file in source.scan.files if file.path in label_paths or _in_images_folder(file.path)]
    if not images:
        return None
    names = source.listed_names(_NAME_FILES) if settings is None else list(settings.names)
    boxes = {path: _read_boxes(source, label_paths.get(path), names) for path in images}
    if not names:
        numbers = sorted({box.class_index for found in boxes.values() for box in found})
        place = {number: index for index, number in enumerate(numbers)}
        boxes = {
            path: tuple(replace(box, class_index=place[box.class_index]) for box in found)
            for path, found in boxes.items()
        }
    reading = Reading(names or [str(number) for number in numbers], [], numbered=not names)
    shared: dict[frozenset[int], frozenset[int]] = {}
    for path in images:
        labels = frozenset(box.class_index for box in boxes[path])
        part = settings.part_of(path) if settings else None
        image = LabelledImage(path, shared.setdefault(labels, labels), None, part or folder_part(path), boxes[path])
        reading.images.append(image)
    return reading


def _label_paths(source: Source) -> Mapping[str, str]:
    """The text file of every image that has one."""
    texts = {path for path in source.paths_ending(".txt") if posixpath.basename(path) not in _NAME_FILES}
    found = {}
    for file in source.scan.files if texts else ():
        beside = f"{posixpath.splitext(file.path)[0]}.txt"
        before, images, after = f"/{beside}".rpartition("/images/")
        in_labels = f"{before}/labels/{after}"[1:] if images else beside
        label_path = in_labels if in_labels in texts else beside
        if label_path in texts:
            found[file.path] = label_path
    return found


def _in_images_folder(path: str) -> bool:
    return "/images/" in f"/{path}"


def _is_annotation(source: Source, path: str) -> bool:
    """Whether a text file that lies beside an image holds boxes: others hold captions or notes."""
    lines = [line for line in source.lines(path) if line.strip()]
    try:
        return bool(lines) and _read_line(lines[0]) is not None
    except ValueError:
        return False


def _find_settings(source: Source) -> YoloSettings | None:
    """The YAML file that the user named, or the one that lies highest and names classes."""
    highest_first = sorted(source.paths_ending(*_SETTINGS), key=lambda path: path.count("/"))
    paths = highest_first if source.entry is None else [source.entry]
    for path in paths:
        settings = read_settings(source.read(path), path)
        if settings is not None:
            return settings
    if source.entry is not None:
        raise DataError(
            f"{source.given} has no `names`, so it does not describe a YOLO data set",
            "Name the classes in it, or name the folder of images instead.",
        )
    return None


def _read_boxes(source: Source, path: str | None, names: Sequence[str]) -> tuple[Box, ...]:
    """The boxes of one text file; none where there is no file."""
    if path is None:
        return ()
    boxes = []
    for number, line in enumerate(source.lines(path), 1):
        try:
            box = _read_line(line)
        except ValueError as error:
            raise DataError(
                f"{source.given}: {escape_path(path)}, line {number}: {error}",
                "A line is a class number and then centre x, centre y, width and height as shares of the image.",
            ) from error
        if box is not None and names and box.class_index >= len(names):
            raise DataError(
                f"{source.given}: {escape_path(path)}, line {number}: class {box.class_index} has no name, "
                f"there are {len(names)}",
                "Complete the list of class names.",
            )
        if box is not None:
            boxes.append(box)
    return tuple(boxes)


def _read_line(line: str) -> Box | None:
    """One object: a class number with a box, or with an outline, whose box is taken; None for an empty line."""
    words = line.split()
    if not words:
        return None
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"{line.strip()[:40]!r} is not a row of numbers") from None
    if not all(map(math.isfinite, numbers)) or numbers[0] != int(numbers[0]) or numbers[0] < 0:
        raise ValueError(f"{words[0]!r} is not a class number, or a value is not finite")
    if len(numbers) in _BOX_FIELDS:
        x, y, width, height = numbers[1:5]
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    elif len(numbers) >= 7 and len(numbers) % 2:
        corners = (min(numbers[1::2]), min(numbers[2::2]), max(numbers[1::2]), max(numbers[2::2]))
    else:
        raise ValueError(f"it has {len(numbers)} numbers, which is neither a box (5) nor an outline (7, 9, …)")
    return Box(int(numbers[0]), *corners, relative=True)
