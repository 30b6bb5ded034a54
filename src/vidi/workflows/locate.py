"""`vidi locate`: boxes in images, and the drawings, page and COCO file that it writes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from vidi.data.inputs import FoundInputs, find_paths
from vidi.files import escape_path, write_atomic
from vidi.images.account import Account
from vidi.images.encode import encode_jpeg
from vidi.model_file.read import ModelFile
from vidi.numbers import percent
from vidi.prediction.predictor import Predictor
from vidi.report.pages.boxes import LocatedImage, SearchSettings, write_boxes_page
from vidi.report.pages.render import require_templates
from vidi.report.pictures.overlays import draw_boxes, make_picture
from vidi.report.pictures.thumbnails import MOST_BYTES
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.output import write_document
from vidi.workflows.interaction.run_folder import check_folder_apart, page_names, require_own
from vidi.workflows.interaction.stopping import stop_on_signal, until_stopped
from vidi.workflows.locating import (
    as_json,
    choose_classes,
    choose_way,
    coco_document,
    finder,
    locate_inputs,
    write_lines,
)
from vidi.workflows.requests.model_file import LocatedFiles, LocateRequest

PAGE = "boxes.html"
MARK = b"drawn by vidi locate"  # in every JPEG that is written here
QUALITY = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class LocateOutputs(LocatedFiles):
    """Which files a search writes besides its lines or document."""

    as_json: bool = False  # one document on the stream; else lines for people


def search_images(
    predictor: Predictor,
    request: LocateRequest,
    inputs: Sequence[str],
    *,
    wanted: LocateOutputs,
    stream: TextIO,
    watch: Callable[[Iterator[LocatedImage], int], Iterator[LocatedImage]] = lambda found, _: found,
    events: Events = SILENCE,
) -> Account:
    """Search and print each image in turn; a first Ctrl-C ends it in good order.

    Returns:
        What became of every path; `set_aside` holds those that were not reached.

    Raises:
        UsageError: a class, a number or the output folder is wrong.
        DataError: the inputs hold no image.
        ModelError: evidence was asked for of a model that has none.
        ResourceError: something cannot be written; what was written before is whole.
    """
    account, kept, find = Account(), list[LocatedImage](), finder(predictor, request)
    groups = find_paths(inputs)
    paths = [path for group in groups for path in group.paths]
    places = {} if wanted.output is None else plan_folder(wanted.output, groups, inputs)
    drawn = bool(places) and wanted.images
    with stop_on_signal() as should_stop:
        found = locate_inputs(find, groups, account, keep_images=drawn)
        found = until_stopped(found, should_stop, paths=paths, account=account)
        found = watch(keep_located(found, kept, places=places, with_images=drawn), len(paths))
        try:
            if wanted.as_json:
                documents = map(as_json, found)
                write_document(documents, stream, name="images", model=predictor.model, account=account)
            else:
                write_lines(found, stream)
        finally:  # also what was found until an error came
            if kept:
                missed = len(set(paths).difference(one.path for one in kept))
                looked = looked_for(predictor, request, not_reached=missed)
                write_found(kept, looked, predictor.model, output=wanted.output, coco=wanted.coco, events=events)
    return account


def plan_folder(folder: Path, found: Sequence[FoundInputs], inputs: Sequence[str]) -> dict[str, Path]:
    """Where each image's drawing will lie, by path; nothing but what vidi drew before is ever replaced.

    Args:
        inputs: what the user named; the output must not be read as input next time.

    Raises:
        UsageError: the folder lies in one that is read from, or holds a file of that name that vidi did not write.
        MissingPackageError: the page cannot be written after all the work.
    """
    check_folder_apart(folder, inputs, flag="--output")
    require_templates()
    paths = [path for group in found for path in group.paths]
    places = dict(zip(paths, [folder / name for name in page_names(paths, suffix=".jpg")], strict=True))
    require_own(folder / PAGE)
    for place in places.values():
        require_own(place, mark=MARK)
    return places


def write_annotated(one: LocatedImage, path: Path) -> None:
    """Write an image with its boxes as a JPEG; nothing if it could not be used.

    Raises:
        ResourceError: it cannot be written.
    """
    if one.image is None:
        return
    texts = [f"{box.name} {percent(box.score)}" for box in one.boxes]
    drawn = draw_boxes(one.image, [box.box for box in one.boxes], texts, kinds=[box.label_index for box in one.boxes])
    write_atomic(path, encode_jpeg(drawn, quality=QUALITY, comment=MARK))


def keep_located(
    found: Iterable[LocatedImage], kept: list[LocatedImage], *, places: Mapping[str, Path], with_images: bool
) -> Iterator[LocatedImage]:
    """The images as they pass, each drawn at once and kept for the page, with a picture as long as there is room.

    Args:
        found: of `locate_inputs`, with pixels.
        places: of `plan_folder`; empty where nothing is to be drawn.
        with_images: False writes no picture.

    Raises:
        ResourceError: a drawing cannot be written.
    """
    spent = 0
    for one in found:
        if places and with_images and one.image is not None:
            write_annotated(one, places[one.path])
            if spent < MOST_BYTES:
                picture = make_picture(one.image)
                spent += len(picture.uri)
                one = replace(one, picture=picture)  # noqa: PLW2901  # the same image, with what the page shows of it
        kept.append(one.without_pixels())
        del one  # its pixels would last until the next image has been searched
        yield kept[-1]


def looked_for(predictor: Predictor, request: LocateRequest, *, not_reached: int = 0) -> SearchSettings:
    """Describe the search for the page."""
    classes = tuple(predictor.classes[index] for index in choose_classes(predictor.classes, request.classes))
    return SearchSettings(
        classes=classes, by=choose_way(predictor, request), least=request.least, not_reached=not_reached
    )


def write_found(
    kept: Sequence[LocatedImage],
    looked: SearchSettings,
    model: ModelFile,
    *,
    output: Path | None,
    coco: Path | None,
    events: Events = SILENCE,
) -> None:
    """Write the page of all images and the COCO file, and report their paths.

    Args:
        output: the folder of the page; None: no page.
        coco: the COCO file; None: none.

    Raises:
        ResourceError: one of them cannot be written.
    """
    if coco is not None:
        write_atomic(coco, json.dumps(coco_document(kept, model.metadata.classes)) + "\n")
        events.say(f"written: {escape_path(coco)}")
    if output is not None:
        write_boxes_page(output / PAGE, kept, looked, model)
        events.say(f"page: {escape_path(output / PAGE)}")
