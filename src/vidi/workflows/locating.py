"""The search for boxes in each image, from files and from memory; boxes as lines, as JSON and as a COCO file."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from vidi.data.inputs import FoundInputs
from vidi.detection.evidence import locate_answer, locate_by_evidence
from vidi.detection.locate import Located, WindowSearch, locate
from vidi.detection.nanodet import answer_proposals, is_detector, locate_by_detector, open_detector
from vidi.detection.slide import open_windows
from vidi.errors import ImageError, UsageError
from vidi.files import escape_path
from vidi.images.account import Account, Entry
from vidi.images.given import Given
from vidi.images.pool import DecodeJob, read_images
from vidi.machine import give_memory_back
from vidi.numbers import percent
from vidi.prediction.predictor import Predictor
from vidi.report.pages.boxes import LocatedImage
from vidi.report.pictures.overlays import make_picture
from vidi.workflows.interaction.given import decode_given
from vidi.workflows.interaction.inputs import each_group
from vidi.workflows.requests.model_file import By, LocateRequest

NOTHING = ("background", "none", "nothing", "other", "others", "negative", "empty")  # classes that are not looked for
NOT = ("not ", "no ", "not_", "no_", "non-", "without ")

PROPOSED = 0.3  # score of a box that a classifier is asked about, unless the least probability is lower
TOO_SMALL = "windows-too-small"  # the code of an image that would have to be enlarged too far

Way = Literal["windows", "evidence", "answer", "detector", "proposals"]
Find = Callable[[NDArray[np.uint8]], list[Located]]
IN_ONE_PASS = {"evidence": locate_by_evidence, "answer": locate_answer, "detector": locate_by_detector}
NO_CLASS_FOR_NOTHING = (
    "hint: the model has no class for “nothing”, so it assigns every window to one of its classes and many boxes are "
    "wrong. Train it with a class `background`, look for one class (--class NAME), or raise the limit (--least 0.95)"
)
ONE_BOX_EACH = (
    "the model has no class for “nothing”, so each image gets one box, around what speaks for its answer. To search "
    "for several objects, train with a class `background`, or try --by windows: many of its boxes will be wrong"
)


def choose_classes(names: Sequence[str], wanted: Sequence[str] | None) -> tuple[int, ...]:
    """Indexes of the classes to look for.

    Args:
        wanted: the user's; None: all but those whose name says that nothing is there.

    Raises:
        UsageError: a class that the model does not have, or every class means that nothing is there.

    >>> choose_classes(("face", "not a face"), None), choose_classes(("background", "person"), None)
    ((0,), (1,))
    """
    if wanted is not None:
        for name in wanted:
            if name not in names:
                raise UsageError(
                    f"the model has no class {name!r}", f"Use one or more of: {', '.join(map(escape_path, names))}."
                )
        return tuple(names.index(name) for name in wanted)
    chosen = tuple(index for index, name in enumerate(names) if not is_nothing(name))
    if not chosen:
        raise UsageError("every class of the model stands for “nothing”", "Name a class to look for: --class NAME")
    return chosen


def is_nothing(name: str) -> bool:
    """Whether a class's name says that nothing is there.

    >>> [is_nothing(name) for name in ("Background", "not a face", "nothing", "notebook")]
    [True, True, True, False]
    """
    return name.casefold() in NOTHING or name.casefold().startswith(NOT)


def choose_way(predictor: Predictor, request: LocateRequest) -> Way:
    """How images are searched: as asked, else by windows, or by the answer where every window would get a class.

    `answer` is one box for the class of the whole image. It needs a network that gives evidence maps.
    """
    if request.proposals is not None:
        return "proposals"
    if request.by is not None:
        return request.by
    if is_detector(predictor):
        return "detector"
    return "windows" if _can_refuse(predictor, request) or "evidence" not in predictor.model.outputs else "answer"


def thorough_way(predictor: Predictor) -> By | None:
    """Return the search that finds every box that a model can find; None for a detector, which has its own."""
    return None if is_detector(predictor) else "windows"


def hint_of_nothing(predictor: Predictor, request: LocateRequest) -> str:
    """Return the hint for a model without a class for nothing; empty if it has one."""
    if _can_refuse(predictor, request):  # a detector, too, whose classes are independent
        return ""
    return ONE_BOX_EACH if choose_way(predictor, request) == "answer" else NO_CLASS_FOR_NOTHING


def _can_refuse(predictor: Predictor, request: LocateRequest) -> bool:
    """Whether a window may show nothing that is looked for; the classes that are not looked for stand for nothing."""
    if request.proposals is not None:
        return True
    return request.classes is not None or predictor.metadata.multi_label or any(map(is_nothing, predictor.classes))


def class_of_nothing(classes: Sequence[str]) -> int:
    """Return the index of the class that means that nothing is there.

    Raises:
        UsageError: there is none, or several.
    """
    found = [index for index, name in enumerate(classes) if is_nothing(name)]
    if len(found) != 1:
        raise UsageError(
            f"--background needs one class that stands for “nothing”; the classes are {', '.join(classes)}",
            "Add a folder called `background` with a few such images, or make two classes with --positive NAME.",
        )
    return found[0]


def finder(predictor: Predictor, request: LocateRequest) -> Find:
    """Return the function that finds boxes in one image.

    Raises:
        UsageError: a class or a size is wrong.
        ModelError: evidence was asked for of a model that has none.
    """
    search = WindowSearch(
        classes=choose_classes(predictor.classes, request.classes),
        least=request.least,
        smallest=request.smallest,
        share=request.fills,
    )
    if request.by is not None and is_detector(predictor):
        raise UsageError("a detector finds boxes in its own way", "Leave out --by.")
    way = choose_way(predictor, request)
    if request.proposals is not None:
        return _proposing(request.proposals, request, predictor, search)
    if way != "windows":
        return partial(IN_ONE_PASS[way], predictor=predictor, search=search)
    return partial(locate, model=open_windows(predictor), predictor=predictor, search=search)


def _proposing(path: Path, request: LocateRequest, predictor: Predictor, search: WindowSearch) -> Find:
    detector = open_detector(path)
    proposed = WindowSearch(classes=choose_classes(detector.classes, request.only), least=min(PROPOSED, request.least))
    return partial(answer_proposals, predictor=predictor, search=search, detector=detector, proposed=proposed)


def locate_inputs(
    find: Find,
    found: Sequence[FoundInputs],
    account: Account,
    *,
    keep_images: bool = False,
) -> Iterator[LocatedImage]:
    """Find boxes in every image, in the order of the inputs; a bad image is listed, the others are searched.

    Raises:
        DataError: the inputs hold no image and nothing that was meant as one.
    """
    for group in each_group(found, account):
        for entry in group.account.refused:
            yield LocatedImage(path=entry.path, size=None, error=entry)
        # A search takes far longer than reading: one image at a time is in memory.
        reading = read_images(group.store, group.paths, DecodeJob(), workers=1, in_advance=False)
        for path, read in zip(group.paths, reading, strict=True):
            try:
                image = read.pixels()
            except ImageError as error:
                entry = Entry(path, error.code, error.cause)
                account.refused.append(entry)
                yield LocatedImage(path=path, size=None, error=entry)
                continue
            one = search_image(find, path, image)
            if one.error is not None:
                account.refused.append(one.error)
            else:
                account.used += 1
            yield replace(one, image=image) if keep_images and one.error is None else one


def search_image(find: Find, path: str, image: NDArray[np.uint8]) -> LocatedImage:
    """Boxes in one image, or why it cannot be searched as was asked for: its windows would be too small for its size.

    Args:
        image: (height, width, 3) uint8, upright RGB.
    """
    began = time.perf_counter()
    try:
        boxes = tuple(find(image))
    except UsageError as error:  # about this image: the request itself was judged by `finder`
        return LocatedImage(path=path, size=None, error=Entry(path, TOO_SMALL, f"{error.cause}. {error.remedy}"))
    finally:
        give_memory_back()  # pieces of maps of all sizes lie about
    size = (image.shape[0], image.shape[1])
    return LocatedImage(path=path, size=size, boxes=boxes, seconds=time.perf_counter() - began)


def locate_given(find: Find, images: Sequence[Given]) -> Iterator[LocatedImage]:
    """Find boxes in every image, in order; an image that cannot be used comes with its reason.

    Args:
        images: of `vidi.images.given.list_images`; an image in memory is named by its number.
    """
    for number, (given, found) in enumerate(zip(images, decode_given(images), strict=True)):
        if isinstance(found, Entry):
            yield LocatedImage(path=found.path, size=None, error=found)
            continue
        one = search_image(find, given if isinstance(given, str) else f"image {number}", found[0])
        yield one if one.error is not None else replace(one, picture=make_picture(found[0]))


def write_lines(found: Iterable[LocatedImage], stream: TextIO) -> None:
    """Write the number of boxes of each image, and each box on its own line."""
    for one in found:
        if one.error is not None:
            stream.write(f"{escape_path(one.path)}  refused: {one.error.code}. {escape_path(one.error.sentence)}\n")
            continue
        stream.write(f"{escape_path(one.path)}  {_counted(len(one.boxes))}\n")
        for box in one.boxes:
            corners = " ".join(f"{value:.0f}" for value in box.box)
            stream.write(f"  {escape_path(box.name)} {percent(box.score, digits=1)}  {corners}\n")


def _counted(count: int) -> str:
    return "nothing found" if not count else "1 box" if count == 1 else f"{count} boxes"


def as_json(one: LocatedImage) -> dict[str, object]:
    """One image's boxes as they stand in JSON; `box` is x_min, y_min, x_max, y_max in pixels of the upright image."""
    error = None if one.error is None else {"code": one.error.code, "message": one.error.sentence}
    boxes = [
        {
            "label": box.label,
            "score": round(box.score, 6),
            "box": [round(value, 2) for value in box.box],
            "novelty": None if box.novelty is None else round(box.novelty, 4),
            **({} if box.proposal is None else {"verdict": box.verdict, "proposal": round(box.proposal, 6)}),
        }
        for box in one.boxes
    ]
    size = None if one.size is None else list(one.size)
    return {"path": escape_path(one.path), "size": size, "boxes": boxes, "error": error}


def coco_document(found: Sequence[LocatedImage], classes: Sequence[str]) -> dict[str, object]:
    """A COCO file of the boxes, their scores beside them; categories are numbered from 1 in the model's order."""
    used = [one for one in found if one.size is not None]
    annotations = [
        {
            "image_id": number,
            "category_id": box.label_index + 1,
            "bbox": [round(value, 2) for value in (x_min, y_min, x_max - x_min, y_max - y_min)],
            "area": round((x_max - x_min) * (y_max - y_min), 2),
            "score": round(box.score, 6),
            "iscrowd": 0,
        }
        for number, one in enumerate(used, start=1)
        for box in one.boxes
        for x_min, y_min, x_max, y_max in [box.box]
    ]
    return {
        "images": [
            {"id": number, "file_name": escape_path(one.path), "height": one.size[0], "width": one.size[1]}
            for number, one in enumerate(used, start=1)
            if one.size is not None
        ],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(classes)],
        "annotations": [{"id": number, **row} for number, row in enumerate(annotations, start=1)],
    }
