"""`vidi promote` and `vidi rollback`: the model in use under a name."""

import json
from typing import TYPE_CHECKING

import click

from vidi.cli import options
from vidi.workflows.requests.in_use import PromoteRequest, RollbackRequest

if TYPE_CHECKING:
    from vidi.workflows.promote import Promoted


def promote(request: PromoteRequest, *, as_json: options.AsJson = False) -> None:
    """Put a model in use under a name; `vidi predict NAME` and `vidi serve NAME` take it from then on."""
    from vidi.workflows.promote import promote as story

    _show(story(request), as_json=as_json)


def rollback(request: RollbackRequest, *, as_json: options.AsJson = False) -> None:
    """Put the version before in use again, with the same bytes."""
    from vidi.workflows.promote import roll_back

    _show(roll_back(request), as_json=as_json)


def _show(done: "Promoted", *, as_json: bool) -> None:
    from vidi.files import escape_path
    from vidi.workflows.promote import already_in_use, promoted_lines

    if as_json:
        click.echo(json.dumps(done.as_json()))
        return
    if not done.is_change:
        click.echo(already_in_use(done.name, done.decision.version))
        if done.told:
            click.echo(done.told)
        return
    for line in promoted_lines(done.name, done.decision, done.before):
        click.echo(line)
    if done.told:
        click.echo(done.told)
    click.echo(f"model: {escape_path(done.version_folder)}/model.onnx")
