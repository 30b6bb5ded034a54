"""`vidi train`: from images to a tested model file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from vidi.cli import options
from vidi.errors import INTERRUPTED, SOME_BAD, UsageError
from vidi.files import escape_path
from vidi.options import Argument, Option
from vidi.workflows.requests.train import TrainRequest

if TYPE_CHECKING:
    from vidi.training.heads.features import Embedder
    from vidi.workflows.interaction.events import Events
    from vidi.workflows.train import Run


def train(
    request: TrainRequest | None,
    *,
    resume: Annotated[
        Path | None,
        Option("Continue an interrupted run with its own data and options.", metavar="RUN"),
    ] = None,
    finish: Annotated[bool, Option("With --resume: train no further; calibrate, test and report.")] = False,
    preview: Annotated[
        Path | None,
        Option("Write a sheet of augmented images instead of training.", metavar="PNG"),
    ] = None,
    ray: Annotated[
        str | None,
        Option(
            "Compute pretrained features on a Ray cluster, by the address of its head; local: on this computer.",
            metavar="ADDRESS",
        ),
    ] = None,
) -> None:
    """Train a classifier: check, split, train, calibrate, test, and write model.onnx and report.html.

    `--resume RUN` continues an interrupted run with its own data and options; the result is the same, bit for bit.
    `--from RUN` starts a new run, with new data and options, from the weights of another.
    """
    from vidi.cli.terminal import on_terminal
    from vidi.machine import Deadline, wait_without_spinning
    from vidi.workflows.interaction.run_folder import find_run
    from vidi.workflows.run.read import find_while_importing

    begun = Deadline.after(0.0)  # importing torch is on the user's time, too
    wait_without_spinning()  # before torch is imported
    events = on_terminal()
    if resume is not None:
        options.refuse_beside_resume(("resume", "finish", "ray"))
        find_run(resume)  # before torch is imported
        from vidi.workflows import train as story

        return conclude(story.resume(resume, finish=finish, events=events, embed=_embedder(ray, events)), events)
    if request is None or finish:
        raise options.nothing_to_train(finish, verb="train", holds="run")
    if preview is not None:
        if ray is not None:
            raise UsageError("--ray beside --preview", "Leave out --ray: --preview needs no cluster.")
        from vidi.workflows.run.preview import write_preview

        return events.say(f"written: {write_preview(request, preview)}")
    found = find_while_importing("vidi.workflows.train", request.data, events=events)
    from vidi.workflows import train as story

    embed = _embedder(ray, events)
    return conclude(story.train(request, events=events, begun=begun, found=found, embed=embed), events)


def _embedder(ray: str | None, events: "Events") -> "Embedder | None":
    """What computes features on a cluster; None without `--ray`."""
    if ray is None:
        return None
    from vidi.distributed.features import features_on_ray

    return features_on_ray(ray, say=events.say)


def conclude(run: "Run", events: "Events") -> None:
    """The last lines, and the exit code."""
    from vidi.report.words.sentences import read_first

    folder = escape_path(run.folder)
    for note in run.notes:
        events.say(f"note: {note}")
    if not run.finished:
        events.say(f"interrupted; {folder}/model.onnx holds the best weights so far, marked unfinished")
        events.say(f"  continue:   vidi train --resume {folder}\n  finish now: vidi train --resume {folder} --finish")
        raise SystemExit(INTERRUPTED)
    first, steps = read_first(run.folder)
    if run.test is None:
        first = ("not tested: the split has no test images, so the accuracy is unknown",)
    click.echo("\n".join(first))
    click.echo(f"report: {folder}/report.html")
    click.echo(f"model:  {folder}/model.onnx")
    click.echo(f"use it: vidi predict {folder} YOUR-IMAGES")
    click.echo("".join(f"next:   {step}\n" for step in steps), nl=False)
    if run.refused:
        raise SystemExit(SOME_BAD)


def demo(
    name: Annotated[
        str,
        Argument("faces|digits", "Which images to classify (default faces)."),
    ] = "faces",
) -> None:
    """Train on real photographs, test, and classify images from elsewhere, in one to three minutes."""
    from vidi.cli.terminal import on_terminal
    from vidi.machine import wait_without_spinning

    wait_without_spinning()  # before torch is imported
    from vidi.workflows.demo import run_demo

    for line in run_demo(name, Path("runs"), events=on_terminal()):
        click.echo(line)
