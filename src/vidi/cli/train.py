"""`vidi train`: from images to a tested model file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidi.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidi.cli.terminal import Terminal
    from vidi.errors import UsageError
    from vidi.workflows.train import Run

INTERRUPTED, SOME_BAD = 130, 6


def train(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="A folder, archive, table, annotation file or known set.")
    ] = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.05, help="Time for everything, from reading to the report.")
    ] = None,
    ensemble: Annotated[
        int | None, typer.Option("--ensemble", metavar="K", help="Train K times, and make one model of it.")
    ] = None,
    ensemble_by: Annotated[
        str | None, typer.Option("--ensemble-by", help="What the K trainings differ in: seeds (default) or folds.")
    ] = None,
    network: Annotated[str | None, typer.Option("--network", help="compact (default), textbook or dense.")] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(
            "--pretrained",
            metavar="NAME",
            help="Weights to begin from: auto, none, lite0, lite2, vgg16, resnet50, timm/NAME or a file of weights.",
        ),
    ] = None,
    freeze: Annotated[bool, typer.Option("--freeze", help="Learn only a head on the pretrained network.")] = False,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the training images.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Images for one step of the weights.")] = None,
    image_size: Annotated[
        str | None,
        typer.Option("--imgsz", metavar="SIZE", help="Pixels the network sees: 128, or 128x64 (height first)."),
    ] = None,
    framing: options.Framing = None,
    background: Annotated[
        Path | None,
        typer.Option("--background", metavar="DIR", help="Photographs of none of the classes, for `vidi locate`."),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option("--lr", help="Peak learning rate.")] = None,
    optimizer: Annotated[str | None, typer.Option("--optimizer", help="adam, adamw, sgd or muon.")] = None,
    loss: Annotated[str | None, typer.Option("--loss", help="cross-entropy or mean-squared-error.")] = None,
    patience: Annotated[
        int | None, typer.Option("--patience", min=0, help="Epochs without gain until it stops early; 0: never.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Decides every random number of the training.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda or mps; a GPU that torch can use is taken by itself.")
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", metavar="FILE", help="Train by a recipe.toml; other options stand above it."),
    ] = None,
    set_values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other value of the recipe, e.g. augmentation.flip=none."),
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
    find_label_errors: Annotated[
        bool, typer.Option("--find-label-errors", help="Look for wrong labels among all images, if that takes longer.")
    ] = False,
    drop_suspects: Annotated[
        bool, typer.Option("--drop-suspects", help="Learn without training images whose label is likely wrong.")
    ] = False,
    learning_curve: Annotated[
        bool,
        typer.Option("--learning-curve", help="Say what more images would bring, also for a network from scratch."),
    ] = False,
    max_error: options.MaxError = None,
    coverage: options.Coverage = None,
    recall: options.Recall = None,
    precision: options.Precision = None,
    false_alarms_per: options.FalseAlarmsPer = None,
    costs: options.Costs = None,
    workers: options.Workers = None,
    no_images: options.NoImages = False,
    from_weights: Annotated[
        Path | None, typer.Option("--from", metavar="RUN|MODEL", help="Begin a new run from the weights of another.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="RUN", help="Go on with an interrupted run; takes all else from it."),
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="With --resume: no more epochs, only calibration, test and report.")
    ] = False,
    preview: Annotated[
        Path | None, typer.Option("--preview", metavar="PNG", help="Only write a sheet of what augmentation does.")
    ] = None,
    find_rate: Annotated[
        Path | None,
        typer.Option("--find-lr", metavar="SVG", help="Only try rising learning rates, and draw the loss."),
    ] = None,
) -> None:
    """Train a classifier: check, split, train, calibrate, test, and write model.onnx and report.html.

    `--resume RUN` goes on with a run that was interrupted: same data, same recipe, same bits as if it had never
    stopped. `--from RUN` begins a new run, with data and options of its own, from the weights of another.
    """
    from vidi.cli.terminal import Terminal
    from vidi.machine import Deadline, wait_without_spinning

    begun = Deadline.after(0.0)  # importing torch is on the user's time, too
    wait_without_spinning()  # before torch is imported
    from vidi.evaluation.guarantees.limits import Promise
    from vidi.workflows import train as story
    from vidi.workflows.studies.preview import write_preview

    events = Terminal()
    if resume is not None:
        options.refuse_beside_resume(context, ("resume", "finish"))
        return conclude(story.resume(resume, finish=finish, events=events), events)
    if data is None or finish:
        raise _nothing_to_do(finish)
    request = story.TrainRequest(
        data=options.data_request(context.params),
        network=network,
        weights=None if from_weights is None else str(from_weights),
        pretrained=pretrained,
        recipe=None if recipe is None else str(recipe),
        changes={**_recipe_values(context.params), **parse_settings(set_values)},
        minutes=minutes,
        asked=options.asked(context.params),
        ensemble=ensemble,
        ensemble_by=ensemble_by,
        promise=Promise.of(max_error=max_error, coverage=coverage), wish=options.wish(context.params),
        workers=workers,
        images=not no_images,
        output=output,
        overwrite=overwrite,
    )  # fmt: skip
    if preview is not None:
        return events.say(f"written: {write_preview(request, preview)}")
    if find_rate is not None:
        from vidi.workflows.studies.learning_rate import write_rate_range

        typer.echo(write_rate_range(request, find_rate, events=events).sentence)
        return events.say(f"written: {find_rate}")
    return conclude(story.train(request, events=events, begun=begun), events)


def _nothing_to_do(finish: bool) -> "UsageError":
    from vidi.errors import UsageError

    if finish:
        return UsageError("--finish goes with --resume", "Name the run: vidi train --resume runs/NAME --finish")
    return UsageError("there is nothing to train on", "Name a folder of images: vidi train photos/")


def _recipe_values(params: "Mapping[str, object]") -> dict[str, object]:
    """The options that are values of the recipe, where they were given."""
    from vidi.workflows.run.prepare import parse_image_size

    names = ("epochs", "batch", "learning_rate", "optimizer", "loss", "patience", "seed", "device")
    values = {name: params[name] for name in names if params[name] is not None}
    if params["image_size"] is not None:
        values["image_size"] = parse_image_size(str(params["image_size"]))
    if params["freeze"]:
        values["freeze"] = True
    return values


def conclude(run: "Run", events: "Terminal") -> None:
    """The last lines, and the exit code."""
    from vidi.files import escape_path
    from vidi.report.words.sentences import headline

    folder = escape_path(run.folder)
    for note in run.notes:
        events.say(f"note: {note}")
    if not run.finished:
        events.say(f"interrupted; {folder}/model.onnx holds the best weights so far, marked unfinished")
        events.say(
            f"  go on with:    vidi train --resume {folder}\n  or end it now: vidi train --resume {folder} --finish"
        )
        raise typer.Exit(INTERRUPTED)
    if run.test is None:
        typer.echo("no image was kept for a test: nobody knows how good this model is")
    else:
        typer.echo(headline(run.test.as_json()))
    typer.echo(f"report: {folder}/report.html")
    typer.echo(f"model:  {folder}/model.onnx")
    typer.echo(f"use it: vidi predict {folder} YOUR-IMAGES")
    if run.refused:
        raise typer.Exit(SOME_BAD)


def parse_settings(texts: list[str] | None) -> dict[str, object]:
    """The pairs of `--set`, with numbers, true, false and lists read as such.

    >>> parse_settings(["epochs=5", "augmentation.flip=none", "options.filters=[8, 16]"])
    {'epochs': 5, 'augmentation.flip': 'none', 'options.filters': (8, 16)}
    """
    import json

    from vidi.errors import UsageError

    values: dict[str, object] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text!r} is no pair", "Write --set NAME=VALUE, such as --set label_smoothing=0.1.")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        values[name] = tuple(parsed) if isinstance(parsed, list) else parsed
    return values
