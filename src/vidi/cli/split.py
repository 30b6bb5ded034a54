"""`vidi split`: decide, and write down, which image is for what."""

import json

import click

from vidi.cli import options
from vidi.workflows.requests.check import SplitRequest

SOME_BAD = 6


def split(
    request: SplitRequest,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Split a data set into train, validation, calibration and test; copies and groups stay together."""
    from vidi.cli.terminal import Terminal
    from vidi.files import escape_path
    from vidi.workflows.split import split as divide

    events = Terminal()
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
