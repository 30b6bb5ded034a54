"""`vidi serve`, `log`, `monitor` and `review`: verbs about a model in use."""

import json
import os

import click

from vidi.cli import options
from vidi.workflows.requests.in_use import LogContentsRequest, LogRequest, MonitorRequest, ReviewRequest, ServeRequest


def serve(request: ServeRequest, log: LogRequest) -> None:
    """Answer over HTTP for model files, until Ctrl-C or SIGTERM stops it."""
    import gc

    gc.disable()  # all that is imported stays: looking through it for garbage would take a tenth of the start
    from vidi.cli.terminal import on_terminal
    from vidi.serving.start import serve as start

    gc.freeze()  # nor is it looked through while requests are answered
    gc.enable()
    start(request, log, say=on_terminal().say)


def log(request: LogContentsRequest, as_json: options.AsJson = False) -> None:
    """Show what a prediction log holds, or all that it knows of some images; with --delete, delete it."""
    from vidi.workflows.log import describe, log_document

    document = log_document(request, os.environ)
    click.echo(json.dumps(document, indent=1) if as_json else describe(document))


def monitor(request: MonitorRequest, *, as_json: options.AsJson = False) -> None:
    """Compare a model's logged predictions with its reference; exit with code 7 on an alarm."""
    from vidi.cli.terminal import on_terminal
    from vidi.files import escape_path
    from vidi.report.pages.monitor import terminal_lines
    from vidi.workflows.monitor import monitor as compare

    found = compare(request, events=on_terminal())
    if as_json:
        click.echo(json.dumps(found.document, allow_nan=False))
    else:
        click.echo("\n".join(terminal_lines(found.document)))
        if request.output is not None:
            click.echo(f"page: {escape_path(request.output)}")
    found.require_quiet()


def review(request: ReviewRequest, *, as_json: options.AsJson = False) -> None:
    """Show images to label on a page, the most informative first; --export writes the confirmed labels."""
    from vidi.cli.terminal import on_terminal

    if request.export is None:
        from vidi.serving.pages.review import serve_review

        serve_review(request, events=on_terminal())
        return
    from vidi.cli.screen import show_line
    from vidi.workflows.review import export_labels

    made = export_labels(request, events=on_terminal(), environment=os.environ)
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=1))
        return
    for line in made.summary():
        show_line(line)
