"""`vidi locate`: where on these images is it?"""

import sys
from typing import TYPE_CHECKING

import typer

from vidi.cli import options
from vidi.workflows.requests.locate import LocatedFiles, LocateRequest
from vidi.workflows.requests.predict import InputsRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vidi.cli.terminal import Terminal
    from vidi.workflows.locating.search import LocatedImage

INTERRUPTED = 130


def locate(
    model: options.Model,
    inputs: InputsRequest,
    request: LocateRequest,
    files: LocatedFiles,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Find boxes around what a model recognises; it has learnt from labels of whole images alone."""
    from vidi.cli.terminal import Terminal
    from vidi.images.limits import DecodeOptions
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.interaction.inputs import exit_code
    from vidi.workflows.interaction.output import unfinished_warning
    from vidi.workflows.locate import Wanted, search_images

    events = Terminal()
    predictor = Predictor.load(model)
    if warning := unfinished_warning(predictor.model):
        events.say(warning)
    account = search_images(
        predictor,
        request,
        inputs.inputs,
        wanted=Wanted(as_json=as_json, output=files.output, coco=files.coco, images=files.images),
        stream=sys.stdout,
        follow_links=inputs.follow_links,
        options=DecodeOptions(keep_truncated=inputs.keep_truncated),
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
