"""`vidi retrain`: new labels, a candidate, and the gate."""

import json
from typing import TYPE_CHECKING

import click

from vidi.cli import options
from vidi.errors import INTERRUPTED
from vidi.workflows.requests.in_use import RetrainRequest

if TYPE_CHECKING:
    from vidi.workflows.retrain import Retrained


def retrain(request: RetrainRequest, *, as_json: options.AsJson = False) -> None:
    """Train again with new labels, and put the result in use only if it is really better."""
    from vidi.cli.terminal import on_terminal
    from vidi.files import escape_path
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
        _show(done)
    done.require_passed()


def _show(done: "Retrained") -> None:
    """The decision, each rule, and what to do next."""
    from vidi.cli.screen import show_table
    from vidi.files import escape_path
    from vidi.report.pages.gate import data_words, gate_headline, gate_rows, margin_words
    from vidi.workflows.retrain import GATE_PAGE

    document = done.document
    assert document is not None  # noqa: S101  # an interrupted training ends before this
    click.echo(gate_headline(document))
    show_table(gate_rows(document))
    if words := margin_words(document["test"], "test images"):
        click.echo(words)
    for line in data_words(document):
        click.echo(line)
    folder = escape_path(done.folder)
    click.echo(f"page: {folder}/{GATE_PAGE}")
    if document["passed"] and document["promoted"] is None:
        click.echo(f"put it in use: vidi promote {folder} --name NAME")
    elif document["promoted"] is not None:
        click.echo(f"to go back: vidi rollback {document['promoted']['name']}")
