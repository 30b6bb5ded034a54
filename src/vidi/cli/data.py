"""`vidi check` and `vidi split`: what is in a data set, and its parts."""

import json
from typing import Annotated

import click

from vidi.cli import options
from vidi.errors import ANSWER_IS_NO, SOME_BAD
from vidi.files import escape_path
from vidi.options import Option
from vidi.workflows.requests.data import CheckRequest, SplitRequest


def check(
    request: CheckRequest,
    *,
    strict: Annotated[bool, Option("Exit with code 7 if there are findings other than notes.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Find damaged images, copies, conflicting labels, leaks, small classes and odd images in a data set."""
    from vidi.cli.screen import show_line
    from vidi.cli.terminal import on_terminal
    from vidi.machine import wait_without_spinning
    from vidi.workflows.check import check as look

    if request.suspects:
        wait_without_spinning()  # before torch is imported
    events = on_terminal()
    made = look(request, events=events)
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=1))
    else:
        for line in made.summary():
            show_line(line)
    if strict and made.has_findings:
        raise SystemExit(ANSWER_IS_NO)
    if made.result.account.refused:
        raise SystemExit(SOME_BAD)


def split(
    request: SplitRequest,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Split a data set into train, validation, calibration and test; copies and groups stay together."""
    from vidi.cli.terminal import on_terminal
    from vidi.workflows.split import split as divide

    events = on_terminal()
    made = divide(request, events=events)
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=1))
    else:
        for part, count in made.split.counts().items():
            click.echo(f"{part:12} {count:8,}")
        click.echo(f"written: {escape_path(request.output)} (rule {made.split.rule})")
    for sentence in made.remarks():
        events.say(sentence)
    if made.check.account.refused:
        raise SystemExit(SOME_BAD)
