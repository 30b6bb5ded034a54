"""`vidi tune`: search for a better recipe, and say plainly whether there is one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from vidi.cli import options
from vidi.errors import INTERRUPTED, SOME_BAD
from vidi.files import escape_path
from vidi.options import Option
from vidi.workflows.requests.train import TuneRequest

if TYPE_CHECKING:
    from vidi.workflows.interaction.events import Events
    from vidi.workflows.tuning.search import TuneResult

BESIDE_RESUME = ("resume", "finish", "storage", "as_json")


def tune(
    request: TuneRequest | None,
    *,
    resume: Annotated[
        Path | None,
        Option("Continue an interrupted search with its own data and options.", metavar="RUN"),
    ] = None,
    finish: Annotated[bool, Option("With --resume: start no further trials; make the final comparison.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Search for a better recipe than the default within a time limit; the test split is never used.

    At the end, the best and the default recipe are trained once more, and compared on images that no trial was scored
    on. `recipe.toml` holds the better one, or the default if no gain was shown. Use it with `vidi train --recipe FILE`.
    """
    from vidi.cli.terminal import Terminal
    from vidi.machine import Deadline, wait_without_spinning
    from vidi.workflows.interaction.events import Events
    from vidi.workflows.interaction.run_folder import find_run
    from vidi.workflows.run.read import find_while_importing

    begun = Deadline.after(0.0)  # importing torch is on the user's time, too
    wait_without_spinning()  # before torch is imported
    terminal = Terminal()
    events = Events(terminal.tell)
    if resume is not None:
        options.refuse_beside_resume(BESIDE_RESUME)
        find_run(resume)  # before torch is imported
        from vidi.workflows import tune as story

        storage = click.get_current_context().params["storage"]
        tuned = story.resume_tuning(resume, storage=storage, finish=finish, events=events)
        terminal.clear()
        _conclude(tuned, events, as_json=as_json)
        return
    if request is None or finish:
        raise options.nothing_to_train(finish, verb="tune", holds="search")
    found = find_while_importing("vidi.workflows.tune", request.training.data, events=events)
    from vidi.workflows import tune as story

    tuned = story.tune(request, events=events, begun=begun, found=found)
    terminal.clear()
    _conclude(tuned, events, as_json=as_json)


def _conclude(tuned: "TuneResult", events: "Events", *, as_json: bool) -> None:
    """The last lines, and the exit code."""

    folder, document = escape_path(tuned.folder), tuned.document
    if as_json:
        click.echo(json.dumps(document, indent=1))
    elif tuned.is_finished:
        click.echo(document["finding"]["sentence"])
        click.echo(document["finding"]["detail"])
        click.echo(f"page:   {folder}/tune.html")
        click.echo(f"recipe: {folder}/recipe.toml")
        if tuned.is_better:
            click.echo(f"use it: vidi train DATA --recipe {folder}/recipe.toml")
    if not tuned.is_finished:
        events.say(f"interrupted; {folder} holds {len(document['trials'])} trials, not yet compared with the default")
        events.say(f"  continue:    vidi tune --resume {folder}\n  compare now: vidi tune --resume {folder} --finish")
        raise SystemExit(INTERRUPTED)
    if tuned.refused:
        raise SystemExit(SOME_BAD)
