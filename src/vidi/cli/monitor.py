"""`vidi monitor`: does it stay good?"""

import json

import click

from vidi.cli import options
from vidi.workflows.requests.monitor import MonitorRequest


def monitor(request: MonitorRequest, *, as_json: options.AsJson = False) -> None:
    """Compare a model's logged predictions with its reference; exit with code 7 on an alarm."""
    from vidi.cli.terminal import Terminal
    from vidi.files import escape_path
    from vidi.report.pages.monitor import terminal_lines
    from vidi.workflows.monitor import monitor as compare

    found = compare(request, events=Terminal())
    if as_json:
        click.echo(json.dumps(found.document, allow_nan=False))
    else:
        click.echo("\n".join(terminal_lines(found.document)))
        if request.output is not None:
            click.echo(f"page: {escape_path(request.output)}")
    found.require_quiet()
