"""`vidi check`: find damaged, duplicate and odd images in a data set."""

import json
from typing import Annotated

import typer

from vidi.cli import options
from vidi.workflows.requests.check import CheckRequest

SOME_BAD, ANSWER_IS_NO = 6, 7


def check(
    request: CheckRequest,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 7 if there are findings other than notes.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Find damaged images, copies, conflicting labels, leaks, small classes and odd images in a data set."""
    from vidi.cli.screen import show_line
    from vidi.cli.terminal import Terminal
    from vidi.workflows.check import check as look

    made = look(request, events=Terminal())
    if as_json:
        typer.echo(json.dumps(made.as_json(), indent=1))
    else:
        for line in made.summary():
            show_line(line)
    if strict and made.has_findings:
        raise typer.Exit(ANSWER_IS_NO)
    if made.result.account.refused:
        raise typer.Exit(SOME_BAD)
