"""`vidi export`: a model file for other hosts."""

import json

import click

from vidi.cli import options
from vidi.workflows.requests.export import ExportRequest


def export(request: ExportRequest, *, as_json: options.AsJson = False) -> None:
    """Write a model file as a page for browsers, as a folder for a model hub, or smaller and faster."""
    from vidi.cli.terminal import Terminal
    from vidi.workflows.export import export as story

    done = story(request, events=Terminal())
    if as_json:
        click.echo(json.dumps(done.as_json()))
        return
    for sentence in done.sentences:
        click.echo(sentence)
