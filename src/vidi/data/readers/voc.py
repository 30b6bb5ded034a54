"""Pascal VOC annotations: one XML file for each image."""

import posixpath
from collections.abc import Mapping
from xml.etree import ElementTree

from vidi.data.dataset import Box, LabelledImage
from vidi.data.readers.class_names import order_names
from vidi.data.readers.parts import FileIndex, folder_part, part_named
from vidi.data.readers.source import Reading, Source
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.account import Entry

Objects = list[tuple[str, tuple[float, float, float, float] | None]]  # class names, and corners where there are some


def read_voc(source: Source) -> Reading | None:
    """XML files in an `Annotations` folder or beside their images; parts from `ImageSets/Main` or from folders.

    Raises:
        DataError: an XML file is damaged or declares entities.
    """
    paths = source.paths_ending(".xml") if source.entry is None else []
    annotated = {path: found for path in paths if (found := _read_annotation(source, path)) is not None}
    if not annotated:
        return None
    classes = order_names(name for _, objects in annotated.values() for name, _ in objects)
    number = {name: index for index, name in enumerate(classes)}
    index = FileIndex([file.path for file in source.scan.files])
    parts = _part_lists(source)
    shared: dict[frozenset[int], frozenset[int]] = {}
    reading = Reading(classes, [])
    for path, (filename, objects) in annotated.items():
        place = _find_image(index, path, filename)
        if place is None:
            named = filename or posixpath.basename(path)
            reading.refused.append(Entry(named, "unreadable", f"There is no image for {escape_path(path)}."))
            continue
        labels = frozenset(number[name] for name, _ in objects)
        boxes = tuple(Box(number[name], *corners) for name, corners in objects if corners is not None)
        part = parts.get(posixpath.basename(path)[: -len(".xml")]) or folder_part(path)
        reading.images.append(LabelledImage(place, shared.setdefault(labels, labels), None, part, boxes))
    return reading


def _read_annotation(source: Source, path: str) -> tuple[str, Objects] | None:
    """The image's file name and its objects; None where the XML is something else."""
    data = source.read(path)
    if b"<annotation" not in data:
        return None
    if b"<!" in data.replace(b"<!--", b""):
        raise DataError(
            f"{source.given}: {escape_path(path)} declares a document type or entities, which annotations never need",
            "Write the file again without them.",
        )
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  see above
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{source.given}: {escape_path(path)} is damaged: {error}", "Write the file again.") from error
    if root.tag != "annotation":
        return None
    objects: Objects = []
    for item in root.iter("object"):
        name = (item.findtext("name") or "").strip()
        if name:
            objects.append((name, _corners(item.find("bndbox"))))
    return (root.findtext("filename") or "").strip(), objects


def _corners(box: ElementTree.Element | None) -> tuple[float, float, float, float] | None:
    """Corners in pixels. VOC counts pixels from 1, so the first pixel's near edge is 0."""
    if box is None:
        return None
    try:
        x_min, y_min, x_max, y_max = (float(box.findtext(key) or "") for key in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        return None
    return x_min - 1, y_min - 1, x_max, y_max


def _find_image(index: FileIndex, path: str, filename: str) -> str | None:
    """The image by the name in the XML file, else by the XML file's own name."""
    folder = posixpath.dirname(path)
    folders = [folder, *(posixpath.join(posixpath.dirname(folder), name) for name in ("JPEGImages", "images", ""))]
    stem = posixpath.basename(path)[: -len(".xml")]
    names = [filename] if filename else []
    names += [f"{stem}{suffix}" for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".bmp", ".webp", ".tif")]
    return next((place for name in names if (place := index.find(name, folders=folders))), None)


def _part_lists(source: Source) -> Mapping[str, str]:
    """The part of each image by `ImageSets/Main/train.txt` and its like; files of single classes are passed over."""
    found = {}
    for path in source.paths_ending(".txt"):
        folder, name = posixpath.split(path)
        part = part_named(name[: -len(".txt")])
        if part is not None and folder.endswith(("ImageSets/Main", "ImageSets")):
            found.update({words[0]: part for line in source.lines(path) if (words := line.split())})
    return found
