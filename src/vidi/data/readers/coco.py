"""COCO annotations: one JSON file with images, categories and boxes."""

import json
import math
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from vidi.data.dataset import Box, LabelledImage
from vidi.data.readers.parts import FileIndex, folder_part, part_named
from vidi.data.readers.source import Reading, Source
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.account import Entry

_KEYS = ("images", "annotations", "categories")
_FOLDERS = ("annotations", "")  # where such files lie, besides the folders of parts
Document = dict[str, list[dict[str, object]]]  # by each of the three keys
_MOST_TRIED = 50  # JSON files that lie where annotations may lie; more is something else


def read_coco(source: Source) -> Reading | None:
    """Every JSON file with `images`, `annotations` and `categories`; a file is of the part that its name says.

    Images that the file lists without annotations show none of the classes.

    Raises:
        DataError: the user named the file and it is not of this kind, or an annotation does not fit its image.
    """
    documents = _documents(source) if source.may_be(".json") else {}
    if not documents:
        return None
    names = _category_names(documents.values())
    index = FileIndex([file.path for file in source.scan.files])
    reading = Reading(classes=names, images=[])
    found: dict[str, LabelledImage] = {}
    missing: dict[str, Entry] = {}
    for path, document in documents.items():
        part = _part_of(path)
        boxes = _boxes_by_image(document, names, path)
        for image in document["images"]:
            named = str(image.get("file_name", ""))
            place = index.find(named, folders=_image_folders(path, part))
            if place is None:
                missing[named] = Entry(named, "unreadable", "There is no such file in the data set.")
                continue
            labels, image_boxes = boxes[str(image.get("id"))]
            found[place] = LabelledImage(place, frozenset(labels), None, part, tuple(image_boxes))
    reading.images, reading.refused = list(found.values()), list(missing.values())
    return reading


def _documents(source: Source) -> dict[str, Document]:
    """The annotation files: the one that the user named, or those that lie where such files lie."""
    if source.entry is not None:
        document = _load(source, source.entry)
        if document is None:
            raise DataError(
                f"{source.given} is not a COCO file: it has no lists called {', '.join(_KEYS)}",
                "Name a COCO file, or the folder of images.",
            )
        return {source.entry: document}
    paths = [path for path in source.paths_ending(".json") if _may_be_annotations(path)]
    if len(paths) > _MOST_TRIED:
        return {}
    loaded = {path: document for path in paths if (document := _load(source, path)) is not None}
    # COCO's own set describes the same images several times over; its `instances` files have the boxes of all.
    instances = {path: document for path, document in loaded.items() if "instances" in posixpath.basename(path)}
    return instances or loaded


def _may_be_annotations(path: str) -> bool:
    folder = posixpath.basename(posixpath.dirname(path)).casefold()
    return folder in _FOLDERS or path.count("/") <= 1 or part_named(folder) is not None


def _load(source: Source, path: str) -> Document | None:
    """A JSON file's three lists; None where it is something else."""
    try:
        document = json.loads(source.read(path))
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in _KEYS):
        return None
    lists: Document = {key: document[key] for key in _KEYS}
    if not all(isinstance(item, dict) for items in lists.values() for item in items):
        return None
    return lists


def _category_names(documents: Iterable[Document]) -> list[str]:
    """The names of all categories, in the order of their numbers."""
    numbers: dict[str, float] = {}
    for document in documents:
        for category in document["categories"]:
            number = category.get("id")
            name = str(category.get("name", number))
            numbers.setdefault(name, number if isinstance(number, int | float) else math.inf)
    return sorted(numbers, key=lambda name: (numbers[name], name))


def _boxes_by_image(document: Document, names: Sequence[str], path: str) -> Mapping[str, tuple[set[int], list[Box]]]:
    """By image number: the classes that it shows and their boxes."""
    class_of = {
        str(category.get("id")): names.index(str(category.get("name", category.get("id"))))
        for category in document["categories"]
    }
    found: Mapping[str, tuple[set[int], list[Box]]] = defaultdict(lambda: (set(), []))
    for number, annotation in enumerate(document["annotations"]):
        class_index = class_of.get(str(annotation.get("category_id")))
        if class_index is None:
            raise DataError(
                f"{escape_path(path)}: annotation {number} has the category {annotation.get('category_id')!r}, "
                "which is not among the categories",
                "Correct the file; `categories` lists what `category_id` may be.",
            )
        labels, boxes = found[str(annotation.get("image_id"))]
        labels.add(class_index)
        if (box := _box(annotation.get("bbox"), class_index)) is not None:
            boxes.append(box)
    return found


def _box(values: object, class_index: int) -> Box | None:
    """A box from `[x, y, width, height]` in pixels; None where the annotation has none."""
    if not (isinstance(values, list) and len(values) == 4 and all(isinstance(one, int | float) for one in values)):
        return None
    x, y, width, height = map(float, values)
    return Box(class_index, x, y, x + width, y + height) if all(map(math.isfinite, (x, y, width, height))) else None


def _part_of(path: str) -> str | None:
    """The part that the file's name says (`instances_train2017.json`), or else its folder."""
    name = posixpath.basename(path).rpartition(".")[0]
    words = reversed(name.replace("-", "_").replace(".", "_").split("_"))
    return next((part for word in words if (part := part_named(word))), None) or folder_part(path)


def _image_folders(path: str, part: str | None) -> list[str]:
    """Where the images of an annotation file usually lie: with it, or beside its `annotations` folder."""
    folder = posixpath.dirname(path)
    above = posixpath.dirname(folder)
    word = posixpath.basename(path).rpartition(".")[0].rpartition("_")[2]  # train2017
    inside = ["", "images", *((word, f"images/{word}", part, f"images/{part}") if part else ())]
    return [posixpath.join(start, name) for start in dict.fromkeys((folder, above)) for name in inside]
