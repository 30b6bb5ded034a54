"""YOLO annotations: one text file for each image, one line for each object."""

import math
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vidi.data.dataset import Box, LabelledImage
from vidi.data.readers.parts import folder_part
from vidi.data.readers.source import Reading, Source
from vidi.data.readers.yolo_settings import YoloSettings, read_settings
from vidi.errors import DataError
from vidi.files import escape_path

_NAME_FILES = ("classes.txt", "obj.names", "classes.names", "_darknet.labels", "labels.names")
_SETTINGS = (".yaml", ".yml")
_BOX_FIELDS = (5, 6)  # class, centre, size, and in files that a detector wrote its confidence


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
    names = _class_names(source, settings)
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
    lines = [line for line in source.read(path).decode("utf-8", "replace").splitlines() if line.strip()]
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


def _class_names(source: Source, settings: YoloSettings | None) -> list[str]:
    if settings is not None:
        return list(settings.names)
    for path in sorted(source.paths, key=lambda path: path.count("/")):
        if posixpath.basename(path).casefold() in _NAME_FILES:
            lines = source.read(path).decode("utf-8", "replace").splitlines()
            return [line.strip() for line in lines if line.strip()]
    return []


def _read_boxes(source: Source, path: str | None, names: Sequence[str]) -> tuple[Box, ...]:
    """The boxes of one text file; none where there is no file."""
    if path is None:
        return ()
    boxes = []
    for number, line in enumerate(source.read(path).decode("utf-8", "replace").splitlines(), 1):
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
