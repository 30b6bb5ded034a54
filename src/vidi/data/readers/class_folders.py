"""Class folders: each image lies in the folder of its class, in split folders or not; `_unknown` is no class."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vidi.data.dataset import NEGATIVE, LabelledImage
from vidi.data.readers.class_names import order_names
from vidi.data.readers.parts import part_named
from vidi.data.readers.source import Reading, Source
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.numbers import first_of

UNKNOWN = "_unknown"  # the folder of images that show none of the classes
MOST_NAMED = 10  # folders, in a note
NO_CLASS = "no-class"  # the code of images that lie in no class folder


@dataclass(frozen=True, slots=True)
class _FolderLayout:
    """Where in a path the part and the class stand, counted in folders from the root."""

    class_level: int
    part_level: int | None = None


def read_class_folders(source: Source) -> Reading | None:
    """The first folder below the root, or below the split folders, names the class; deeper folders belong to it.

    A single folder around everything is passed through. Files that lie in no class folder are set aside, and so are
    those in a folder `_unknown` that stands where class or split folders do.

    Raises:
        DataError: some folders beside each other are split folders and others are not.
    """
    paths = [file.path for file in source.scan.files]
    classed = [path for path in paths if UNKNOWN not in path.split("/")[:-1]]
    if source.entry is not None or not any("/" in path for path in classed):
        return None
    layout = _find_layout(classed, source.given)
    deepest = max(layout.class_level, layout.part_level or 0) + 1
    strange = {path for path in paths if UNKNOWN in path.split("/")[:-1][:deepest]}
    read = _label_images([path for path in paths if path not in strange], layout)
    read.set_aside += [Entry(path, *NEGATIVE) for path in paths if path in strange]
    if source.scan.empty_folders:
        folders = first_of([*map(escape_path, source.scan.empty_folders)], MOST_NAMED)
        read.notes.append(f"empty folders, which make no class: {folders}")
    return read


def _label_images(paths: Sequence[str], layout: _FolderLayout) -> Reading:
    """Every path with the class and part that its folders name."""
    level, part_level = layout.class_level, layout.part_level
    cuts = max(level, part_level or 0) + 1
    classes = order_names(_folders_at(paths, level))
    labels = {name: frozenset([index]) for index, name in enumerate(classes)}  # shared: one set for each class
    read = Reading(classes=classes, images=[])
    for path in paths:
        folders = path.split("/", cuts)  # not kept: half a million lists would be as large as all the rest
        if len(folders) <= level + 1:
            read.set_aside.append(Entry(path, NO_CLASS, "It lies in no class folder."))
            continue
        part = part_named(folders[part_level]) if part_level is not None else None
        read.images.append(LabelledImage(path, labels[folders[level]], part=part))
    return read


def _find_layout(paths: Sequence[str], given: str) -> _FolderLayout:
    """Pass through single folders around everything, then tell split folders from class folders."""
    level = 0
    while True:
        children = _folders_at(paths, level)
        split_children = {child for child in children if part_named(child)}
        if split_children and _folders_at(paths, level + 1, inside=split_children):
            if split_children == children:
                return _FolderLayout(class_level=level + 1, part_level=level)
            if len(split_children) > 1 and "train" in map(part_named, split_children):
                raise _mixed_folders(given, split_children, children - split_children)
        elif split_children == children:
            raise _no_classes(given, children)
        alone = len(children) == 1 and not any(path.count("/") == level for path in paths)
        if not (alone and _folders_at(paths, level + 1)):
            return _FolderLayout(level, _part_level_below(paths, level))
        level += 1


def _folders_at(paths: Sequence[str], level: int, *, inside: Collection[str] | None = None) -> set[str]:
    """The names of the folders at one level that hold images at any depth; `inside` names their parents."""
    found = set()
    for path in paths:
        folders = path.split("/", level + 1)
        if len(folders) > level + 1 and (inside is None or folders[level - 1] in inside):
            found.add(folders[level])
    return found


def _part_level_below(paths: Sequence[str], level: int) -> int | None:
    """The level of split folders inside the class folders (`cat/train/1.jpg`), if all classes have them."""
    below = _folders_at(paths, level + 1)
    direct = any(path.count("/") == level + 1 for path in paths)
    return level + 1 if below and not direct and all(part_named(name) for name in below) else None


def _mixed_folders(given: str, parts: set[str], others: set[str]) -> DataError:
    shown = ", ".join(escape_path(name) for name in sorted(others)[:5])
    return DataError(
        f"{given}: {', '.join(sorted(parts))} are split folders, but beside them {shown} {_are(others)} not",
        "Move the other folders out, or put every class folder inside a split folder.",
    )


def _no_classes(given: str, parts: set[str]) -> DataError:
    return DataError(
        f"{given}: the images lie directly in {', '.join(sorted(parts))}, which {_are(parts)} no class",
        "Put them into one folder for each class inside, or name their classes in a table.",
    )


def _are(names: set[str]) -> str:
    return "is" if len(names) == 1 else "are"
