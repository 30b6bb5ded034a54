"""The story of `vidi locate`, and what it leaves: images with their boxes drawn, a page about all, a COCO file."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from vidi.data.inputs import FoundInputs, find_paths
from vidi.files import escape_path, write_whole
from vidi.images.account import Account, Entry
from vidi.images.decode import DEFAULT
from vidi.images.encode import encode_jpeg
from vidi.images.limits import DecodeOptions
from vidi.model_file.read import ModelFile
from vidi.numbers import percent
from vidi.prediction.predictor import Predictor
from vidi.report.pages.boxes import BoxedImage, Looked, write_boxes_page
from vidi.report.pages.render import require_templates
from vidi.report.pictures.annotate import draw_boxes
from vidi.report.pictures.boxed import make_picture
from vidi.report.pictures.thumbnails import MOST_BYTES
from vidi.workflows.explaining.pages import page_names, require_own
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.stopping import stop_on_signal
from vidi.workflows.locating.output import coco_document, write_json, write_lines
from vidi.workflows.locating.search import LocatedImage, choose_classes, finder, locate_inputs
from vidi.workflows.predict import check_folder_apart
from vidi.workflows.requests.locate import LocatedFiles, LocateRequest

PAGE = "boxes.html"
MARK = b"drawn by vidi locate"  # in every JPEG that is written here
QUALITY = 92
NOT_REACHED = ("not-reached", "The search was interrupted before it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(LocatedFiles):
    """What a search is to leave behind, beside lines or a document on a stream."""

    as_json: bool = False  # one document on the stream; else lines for people


def search_images(
    predictor: Predictor,
    request: LocateRequest,
    inputs: Sequence[str],
    *,
    wanted: Wanted,
    stream: TextIO,
    follow_links: bool = False,
    options: DecodeOptions = DEFAULT,
    watch: Callable[[Iterator[LocatedImage], int], Iterator[LocatedImage]] = lambda found, _: found,
    events: Events = SILENCE,
) -> Account:
    """The story of `vidi locate`: every image searched and told as it comes; a first Ctrl-C ends it in good order.

    Args:
        predictor: the loaded model.
        request: how to search.
        inputs: files, folders, patterns, archives, as the user named them.
        wanted: what is left behind.
        stream: where the lines or the document go.
        follow_links: also follow links that leave a folder.
        options: limits and rules of decoding.
        watch: sees the images pass, and is told how many there are.
        events: told what was written.

    Returns:
        What became of every path; `set_aside` holds those that were not reached.

    Raises:
        UsageError: a class, a number or the output folder is wrong.
        DataError: the inputs hold no image.
        ModelError: evidence was asked for of a model that has none.
        ResourceError: something cannot be written; what was written before is whole.
    """
    account, kept, find = Account(), list[LocatedImage](), finder(predictor, request)
    groups = find_paths(inputs, follow_links=follow_links)
    paths = [path for group in groups for path in group.paths]
    places = {} if wanted.output is None else plan_folder(wanted.output, groups, inputs)
    drawn = bool(places) and wanted.images
    with stop_on_signal() as should_stop:
        found = locate_inputs(find, groups, account, options=options, keep_images=drawn)
        found = until_stopped(found, should_stop, paths=paths, account=account)
        found = watch(keep_located(found, kept, places=places, with_images=drawn), len(paths))
        try:
            if wanted.as_json:
                write_json(found, stream, model=predictor.model, account=account)
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
        folder: the output folder.
        found: the images.
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
    """Write an image with its boxes drawn on it, as a JPEG; nothing where it could not be used.

    Raises:
        ResourceError: it cannot be written.
    """
    if one.image is None:
        return
    texts = [f"{box.label} {percent(box.score)}" for box in one.boxes]
    drawn = draw_boxes(one.image, [box.box for box in one.boxes], texts, kinds=[box.label_index for box in one.boxes])
    write_whole(path, encode_jpeg(drawn, quality=QUALITY, comment=MARK))


def keep_located(
    found: Iterable[LocatedImage], kept: list[LocatedImage], *, places: Mapping[str, Path], with_images: bool
) -> Iterator[LocatedImage]:
    """The images as they pass, each drawn at once and kept for the page, with a picture as long as there is room.

    Args:
        found: of `locate_inputs`, with pixels.
        kept: is filled.
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
        yield kept[-1]


def until_stopped(
    found: Iterable[LocatedImage], should_stop: Callable[[], bool], *, paths: Sequence[str], account: Account
) -> Iterator[LocatedImage]:
    """The images until the user asks for an end; those that are not reached are set aside by name.

    Args:
        found: of `locate_inputs`.
        should_stop: asked after every image.
        paths: all that were to be searched, in order.
        account: of the search.
    """
    reached: set[str] = set()
    for one in found:
        yield one
        reached.add(one.path)
        if should_stop():
            account.set_aside.extend(Entry(path, *NOT_REACHED) for path in paths if path not in reached)
            return


def looked_for(predictor: Predictor, request: LocateRequest, *, not_reached: int = 0) -> Looked:
    """How images are searched, as the page says it."""
    classes = tuple(predictor.classes[index] for index in choose_classes(predictor.classes, request.classes))
    return Looked(classes=classes, by=request.by, least=request.least, not_reached=not_reached)


def write_found(
    kept: Sequence[LocatedImage],
    looked: Looked,
    model: ModelFile,
    *,
    output: Path | None,
    coco: Path | None,
    events: Events = SILENCE,
) -> None:
    """Write the page about all images and the COCO file, and say where.

    Args:
        kept: of `keep_located`.
        looked: how they were searched.
        model: the file that answered.
        output: the folder of the page; None: no page.
        coco: the COCO file; None: none.
        events: told what was written.

    Raises:
        ResourceError: one of them cannot be written.
    """
    if coco is not None:
        write_whole(coco, json.dumps(coco_document(kept, model.metadata.classes)) + "\n")
        events.say(f"written: {escape_path(coco)}")
    if output is not None:
        images = [
            BoxedImage(
                path=one.path,
                size=one.size,
                boxes=one.boxes,
                picture=one.picture,
                refused="" if one.error is None else f"{one.error.code}. {one.error.sentence}",
            )
            for one in kept
        ]
        write_boxes_page(output / PAGE, images, looked, model)
        events.say(f"page: {escape_path(output / PAGE)}")
