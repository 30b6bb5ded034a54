"""Verbs about a model in use: `vidi app`, `serve`, `log`, `monitor`, `review`, `promote`, `rollback` and `retrain`."""

import json
import os
from typing import TYPE_CHECKING

import click

from vidi.cli import options
from vidi.errors import INTERRUPTED
from vidi.files import escape_path
from vidi.workflows.requests.in_use import (
    AppRequest,
    LogContentsRequest,
    MonitorRequest,
    PromoteRequest,
    RetrainRequest,
    ReviewRequest,
    RollbackRequest,
    ServeRequest,
)
from vidi.workflows.requests.predict import LogRequest

if TYPE_CHECKING:
    from vidi.workflows.promote import PromoteResult
    from vidi.workflows.retrain import RetrainResult


def app(request: AppRequest) -> None:
    """Open the app in a browser: bring images, clean and label them, train, try, and put in use."""
    from vidi.app.start import run_app
    from vidi.cli.terminal import on_terminal

    run_app(request, say=on_terminal().say)


def serve(request: ServeRequest, log: LogRequest) -> None:
    """Answer HTTP requests with model files, until Ctrl-C or SIGTERM."""
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
        from vidi.app.review import serve_review

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


def promote(request: PromoteRequest, *, as_json: options.AsJson = False) -> None:
    """Put a model in use under a name; `vidi predict NAME` and `vidi serve NAME` take it from then on."""
    from vidi.workflows.promote import promote as story

    _show_promoted(story(request), as_json=as_json)


def rollback(request: RollbackRequest, *, as_json: options.AsJson = False) -> None:
    """Put the version before in use again, with the same bytes."""
    from vidi.workflows.promote import roll_back

    _show_promoted(roll_back(request), as_json=as_json)


def _show_promoted(done: "PromoteResult", *, as_json: bool) -> None:
    from vidi.workflows.promote import promoted_lines

    if as_json:
        click.echo(json.dumps(done.as_json()))
        return
    if not done.is_change:
        click.echo(f"{done.name} is this model already, as version {done.decision.version}; nothing was changed")
        return
    for line in promoted_lines(done.name, done.decision, done.before):
        click.echo(line)
    click.echo(f"model: {escape_path(done.version_folder)}/model.onnx")


def retrain(request: RetrainRequest, *, as_json: options.AsJson = False) -> None:
    """Train again with new labels, and put the result in use only if it is really better."""
    from vidi.cli.terminal import on_terminal
    from vidi.machine import wait_without_spinning

    if request.candidate is None:
        wait_without_spinning()  # before torch is imported
    from vidi.workflows.retrain import retrain as story

    events = on_terminal()
    done = story(request, events=events)
    if done.document is None:
        folder = escape_path(done.folder)
        events.say(f"interrupted; continue: vidi train --resume {folder}")
        events.say(f"  then: vidi retrain {escape_path(request.run)} --candidate {folder}")
        raise SystemExit(INTERRUPTED)
    if as_json:
        click.echo(json.dumps(done.document, allow_nan=False))
    else:
        _show_retrained(done)
    done.require_passed()


def _show_retrained(done: "RetrainResult") -> None:
    """The decision, each rule, and what to do next."""
    from vidi.cli.screen import show_table
    from vidi.report.pages.gate import data_words, gate_headline, gate_rows, margin_words

    document = done.document
    assert document is not None  # noqa: S101  # an interrupted training ends before this
    click.echo(gate_headline(document))
    show_table(gate_rows(document))
    if words := margin_words(document["test"]):
        click.echo(words)
    for line in data_words(document):
        click.echo(line)
    folder = escape_path(done.folder)
    click.echo(f"page: {escape_path(done.page)}")
    if document["passed"] and document["promoted"] is None:
        click.echo(f"put it in use: vidi promote {folder} --name NAME")
    elif document["promoted"] is not None:
        click.echo(f"to go back: vidi rollback {document['promoted']['name']}")
