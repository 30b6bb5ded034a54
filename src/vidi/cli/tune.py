"""`vidi tune`: search for a better recipe, and say plainly whether there is one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidi.cli import options
from vidi.cli.train import parse_settings

if TYPE_CHECKING:
    from vidi.cli.terminal import Terminal
    from vidi.workflows.tune import Tuned

INTERRUPTED, SOME_BAD = 130, 6
BESIDE_RESUME = ("resume", "finish", "storage", "as_json")


def tune(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="A folder, archive, table, annotation file or known set.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.1, help="Time for everything; 30 when left out.")
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="At most so many trials.")] = None,
    trial_minutes: Annotated[
        float | None, typer.Option("--trial-minutes", min=0.03, help="Time for each training; a twentieth of all.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="URL", help="A database of Optuna's that several machines share."),
    ] = None,
    study: Annotated[str | None, typer.Option("--study", metavar="NAME", help="The study's name in --storage.")] = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    network: Annotated[str | None, typer.Option("--network", help="compact (default), textbook or dense.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="At most so many passes in one trial.")] = None,
    image_size: Annotated[
        str | None, typer.Option("--imgsz", metavar="SIZE", help="Search no other size: 128, or 128x64 (height first).")
    ] = None,
    framing: options.Framing = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the trials; the comparison takes the next.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="Search around a recipe.toml, not the default.")
    ] = None,
    set_values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Set a value of the recipe; it is then not searched."),
    ] = None,
    split_file: options.SplitFile = None,
    classes: options.Classes = None,
    positive: options.Positive = None,
    names: options.Names = None,
    parts: options.Parts = None,
    split_seed: options.SplitSeed = 0,
    allow_leaks: options.AllowLeaks = False,
    follow_links: options.FollowLinks = False,
    allow_outside: options.AllowOutside = False,
    merge_names: options.MergeNames = False,
    multi_label: options.MultiLabel = False,
    keep_truncated: options.KeepTruncated = False,
    data_dir: options.DataDir = None,
    workers: options.Workers = None,
    no_images: options.NoImages = False,
    from_weights: Annotated[
        Path | None, typer.Option("--from", metavar="RUN|MODEL", help="Begin every training from these weights.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="RUN", help="Go on with an interrupted search; takes all else from it."),
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="With --resume: no more trials, only the comparison at the end.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Search for a better recipe than the default, within a time; the test part is never touched.

    At the end the best and the default recipe are trained once more and compared on images that no trial was judged
    on. `recipe.toml` holds the better one, for `vidi train DATA --recipe FILE`; the default where no gain was shown.
    """
    from vidi.cli.terminal import Terminal
    from vidi.machine import wait_without_spinning

    wait_without_spinning()  # before torch is imported
    from vidi.workflows import tune as story
    from vidi.workflows.run.prepare import parse_image_size
    from vidi.workflows.train import TrainRequest
    from vidi.workflows.tuning.request import TuneRequest

    events = Terminal()
    if resume is not None:
        options.refuse_beside_resume(context, BESIDE_RESUME)
        tuned = story.resume_tuning(resume, storage=storage, finish=finish, events=events)
        _conclude(tuned, events, as_json=as_json)
        return
    given = {"epochs": epochs, "seed": seed, "image_size": None if image_size is None else parse_image_size(image_size)}
    training = TrainRequest(
        data=options.data_request({**context.params, "data": _required(data, finish)}),
        network=network,
        weights=None if from_weights is None else str(from_weights),
        recipe=None if recipe is None else str(recipe),
        changes={**{name: value for name, value in given.items() if value is not None}, **parse_settings(set_values)},
        minutes=minutes,
        workers=workers,
        images=not no_images,
        output=output,
        overwrite=overwrite,
    )
    request = TuneRequest(training=training, trials=trials, trial_minutes=trial_minutes, storage=storage, study=study)
    _conclude(story.tune(request, events=events), events, as_json=as_json)


def _required(data: str | None, finish: bool) -> str:
    from vidi.errors import UsageError

    if finish:
        raise UsageError("--finish goes with --resume", "Name the search: vidi tune --resume runs/NAME --finish")
    if data is None:
        raise UsageError("there is nothing to learn from", "Name a folder of images: vidi tune photos/")
    return data


def _conclude(tuned: "Tuned", events: "Terminal", *, as_json: bool) -> None:
    """The last lines, and the exit code."""
    from vidi.files import escape_path

    folder, document = escape_path(tuned.folder), tuned.document
    events.clear()
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    elif tuned.is_finished:
        typer.echo(document["finding"]["sentence"])
        typer.echo(document["finding"]["detail"])
        typer.echo(f"page:   {folder}/tune.html")
        typer.echo(f"recipe: {folder}/recipe.toml")
        if tuned.is_better:
            typer.echo(f"use it: vidi train DATA --recipe {folder}/recipe.toml")
    if not tuned.is_finished:
        events.say(f"interrupted; {folder} holds {len(document['trials'])} trials, not compared with the default yet")
        events.say(
            f"  go on with:    vidi tune --resume {folder}\n  or compare now: vidi tune --resume {folder} --finish"
        )
        raise typer.Exit(INTERRUPTED)
    if tuned.refused:
        raise typer.Exit(SOME_BAD)
