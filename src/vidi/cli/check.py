"""`vidi check`: what is wrong, doubled or odd in a data set."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vidi.cli import options

SOME_BAD, ANSWER_IS_NO = 6, 7


def check(
    context: typer.Context,
    data: options.Data,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Write the findings as a page of images.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 7 where there is anything to look at.")] = False,
    no_images: options.NoPictures = False,
    classes: options.Classes = None,
    positive: options.Positive = None,
    names: options.Names = None,
    follow_links: options.FollowLinks = False,
    allow_outside: options.AllowOutside = False,
    merge_names: options.MergeNames = False,
    multi_label: options.MultiLabel = False,
    keep_truncated: options.KeepTruncated = False,
    data_dir: options.DataDir = None,
    workers: options.Workers = None,
    as_json: options.AsJson = False,
) -> None:
    """Decode every image once: damage, copies, conflicting labels, leaks, small classes, odd images."""
    from vidi.cli.screen import show_line
    from vidi.cli.terminal import Terminal
    from vidi.workflows.check import check as look

    request = options.data_request(context.params)
    made = look(request, page=page, with_images=not no_images, workers=workers, events=Terminal())
    if as_json:
        typer.echo(json.dumps(made.as_json(), indent=1))
    else:
        for line in made.summary():
            show_line(line)
    if strict and made.has_findings:
        raise typer.Exit(ANSWER_IS_NO)
    if made.result.account.refused:
        raise typer.Exit(SOME_BAD)
