"""`vidi explain`: why this answer?"""

import json
from pathlib import Path
from typing import Annotated

import typer

from vidi.cli import options


def explain(
    model: options.Model,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE…", help="Files, folders, patterns, archives; - is standard input.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where the pages are written; explanations when left out."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, metavar="K", help="Maps for the K most probable classes; two or three of them."),
    ] = None,
    occlusion: Annotated[
        bool, typer.Option(help="Cover one part after another; without, an answer takes no time to speak of.")
    ] = True,
    no_images: options.NoPictures = False,
    keep_truncated: options.KeepTruncated = False,
    as_json: options.AsJson = False,
) -> None:
    """Say why: a page for each image with what speaks for the answer, and what happens when parts are covered."""
    from vidi.cli.terminal import Terminal
    from vidi.data.inputs import find_paths
    from vidi.images.account import Account
    from vidi.images.limits import DecodeOptions
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.explain import Wanted, explain_inputs
    from vidi.workflows.explain_pages import explanation_line, explanations_document, write_pages
    from vidi.workflows.neighbours import read_neighbours
    from vidi.workflows.predict import exit_code
    from vidi.workflows.predictions import unfinished_warning

    events, account = Terminal(), Account()
    predictor = Predictor.load(model)
    if warning := unfinished_warning(predictor.model):
        events.say(warning)
    found = find_paths(images)
    wanted = Wanted(
        top=top,
        occlusion=occlusion,
        known=read_neighbours(predictor.model),
        on_progress=lambda done, total: events.count("covering parts", done, total),
    )
    decoding = DecodeOptions(keep_truncated=keep_truncated)
    explained = explain_inputs(predictor, found, account, wanted=wanted, options=decoding)
    pages = write_pages(explained, found, predictor.model, folder=output, with_images=not no_images)
    if as_json:
        typer.echo(json.dumps(explanations_document(list(pages), predictor.model, account), indent=1))
    else:
        for page in pages:
            typer.echo(explanation_line(page))
    events.say(account.sentence())
    raise typer.Exit(exit_code(account))
