"""`vidi locate`: where on these images is it?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidi.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vidi.cli.terminal import Terminal
    from vidi.workflows.locating.search import LocatedImage

INTERRUPTED = 130


def locate(
    model: options.Model,
    images: Annotated[
        list[str], typer.Argument(metavar="PATHS…", help="Files, folders, patterns, archives; - is standard input.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Draw each image with its boxes there, and write a page about all."
        ),
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
    from vidi.images.limits import DecodeOptions
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.interaction.output import unfinished_warning
    from vidi.workflows.locate import Wanted, search_images
    from vidi.workflows.locating.search import LocateRequest, parse_share
    from vidi.workflows.predict import exit_code

    events = Terminal()
    request = LocateRequest(
        classes=None if classes is None else tuple(classes),
        by=by,
        least=least,
        smallest=smallest,
        largest=largest,
        overlap=overlap,
        soft=soft,
        most=most,
        share=parse_share(fills),
    )
    predictor = Predictor.load(model)
    if warning := unfinished_warning(predictor.model):
        events.say(warning)
    account = search_images(
        predictor,
        request,
        images,
        wanted=Wanted(as_json=as_json, output=output, coco=coco, images=not no_images),
        stream=sys.stdout,
        follow_links=follow_links,
        options=DecodeOptions(keep_truncated=keep_truncated),
        watch=lambda found, total: told(found, total, events),
        events=events,
    )
    if account.set_aside:
        events.say(f"interrupted: {len(account.set_aside):,} images were not reached; what was found is written")
    events.say("boxes come from labels of whole images; `vidi evaluate MODEL DATA --boxes` tells how good they are")
    events.say(account.sentence())
    raise typer.Exit(INTERRUPTED if account.set_aside else exit_code(account))


def told(found: "Iterator[LocatedImage]", total: int, events: "Terminal") -> "Iterator[LocatedImage]":
    """The images as they pass, counted where the lines about them do not show on the terminal anyway."""
    for number, one in enumerate(found, start=1):
        if not sys.stdout.isatty():
            events.count("searching images", number, total)
        yield one
