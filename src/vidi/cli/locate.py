"""`vidi locate`: where on these images is it?"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidi.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vidi.cli.terminal import Terminal
    from vidi.workflows.locate import LocatedImage


def locate(
    model: options.Model,
    images: Annotated[
        list[str], typer.Argument(metavar="PATHS…", help="Files, folders, patterns, archives; - is standard input.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write each image with its boxes drawn there.")
    ] = None,
    coco: Annotated[Path | None, typer.Option("--coco", metavar="FILE", help="Write the boxes as a COCO file.")] = None,
    as_json: options.AsJson = False,
    classes: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME", help="Look for this class; several times for more.")
    ] = None,
    by: Annotated[
        Literal["windows", "evidence"],
        typer.Option("--by", help="windows of many sizes, or the evidence map of the image as a whole (faster)."),
    ] = "windows",
    least: Annotated[float, typer.Option("--least", metavar="SHARE", help="Probability of a box, at least.")] = 0.5,
    smallest: Annotated[
        float | None, typer.Option("--smallest", min=4, metavar="PIXELS", help="Shorter side of the smallest window.")
    ] = None,
    largest: Annotated[
        float | None, typer.Option("--largest", min=4, metavar="PIXELS", help="Shorter side of the largest window.")
    ] = None,
    overlap: Annotated[
        float, typer.Option("--overlap", metavar="IOU", help="Boxes that overlap by more are about one thing.")
    ] = 0.4,
    soft: Annotated[bool, typer.Option("--soft", help="Lower the scores of overlapping boxes, not drop them.")] = False,
    most: Annotated[int, typer.Option("--most", min=1, metavar="N", help="Boxes for each class and image.")] = 100,
    fills: options.Fills = "1x1",
    follow_links: options.FollowLinks = False,
    keep_truncated: options.KeepTruncated = False,
    no_images: options.NoPictures = False,
) -> None:
    """Find boxes around what a model recognises; it has learnt from labels of whole images alone."""
    from vidi.cli.terminal import Terminal
    from vidi.data.inputs import find_paths
    from vidi.errors import UsageError
    from vidi.files import escape_path, write_whole
    from vidi.images.account import Account
    from vidi.images.limits import DecodeOptions
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.locate import LocateRequest, finder, locate_inputs, parse_share
    from vidi.workflows.located import coco_document, write_json, write_lines
    from vidi.workflows.predict import exit_code

    if output is not None and no_images:
        raise UsageError("--output writes images, and --no-images says not to", "Leave one of the two out.")
    events, account = Terminal(), Account()
    predictor = Predictor.load(model)
    request = LocateRequest(
        classes=None if classes is None else tuple(classes), by=by, least=least, smallest=smallest, largest=largest,
        overlap=overlap, soft=soft, most=most, share=parse_share(fills),
    )  # fmt: skip
    find = finder(predictor, request)
    inputs = find_paths(images, follow_links=follow_links)
    kept: list[LocatedImage] = []
    total = sum(len(group.paths) for group in inputs)
    found = locate_inputs(
        find, inputs, account, options=DecodeOptions(keep_truncated=keep_truncated), keep_images=output is not None
    )
    seen = told(found, total, events, drawn=output, kept=None if coco is None else kept)
    if as_json:
        write_json(seen, sys.stdout, model=predictor.model, account=account)
    else:
        write_lines(seen, sys.stdout)
    if coco is not None:
        write_whole(coco, json.dumps(coco_document(kept, predictor.classes)) + "\n")
    for written in filter(None, (coco, output)):
        events.say(f"written: {escape_path(written)}")
    events.say("boxes come from labels of whole images; `vidi evaluate MODEL DATA --boxes` tells how good they are")
    events.say(account.sentence())
    raise typer.Exit(exit_code(account))


def told(
    found: "Iterator[LocatedImage]",
    total: int,
    events: "Terminal",
    *,
    drawn: Path | None,
    kept: "list[LocatedImage] | None",
) -> "Iterator[LocatedImage]":
    """The images as they pass: counted on the terminal, and drawn or kept where that is wanted."""
    from vidi.workflows.located import write_annotated

    for number, one in enumerate(found, start=1):
        events.count("searching images", number, total)
        if drawn is not None:
            write_annotated(one, drawn)
        if kept is not None:
            kept.append(one.without_pixels())
        yield one
