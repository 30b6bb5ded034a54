"""`vidi calibrate`, `export`, `inspect` and `benchmark`: verbs about one model file."""

import json
from functools import partial
from typing import Annotated

import click

from vidi.cli import options
from vidi.files import escape_path
from vidi.options import Option
from vidi.workflows.requests.model_file import BenchmarkRequest, CalibrateRequest, ExportRequest


def calibrate(
    request: CalibrateRequest,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Calibrate a finished model again, on images it was not trained on; its weights stay the same."""
    from vidi.cli.terminal import on_terminal
    from vidi.model_file.values import as_plain
    from vidi.workflows.calibrate import calibrate as story

    done = story(request, events=on_terminal())
    limits, points = done.model.metadata.verdict, done.model.metadata.operating_points
    if as_json:
        document = {
            "model": done.model.model_id,
            "images": done.image_count,
            "verdict": as_plain(limits),
            "operating_points": as_plain(points),
        }
        click.echo(json.dumps(document))
        return
    for sentence in done.sentences:
        click.echo(sentence)
    click.echo(f"model: {escape_path(request.output)}")


def export(request: ExportRequest, *, as_json: options.AsJson = False) -> None:
    """Write a model file as a page for browsers, as a folder for a model hub, or smaller and faster."""
    from vidi.cli.terminal import on_terminal
    from vidi.workflows.export import export as story

    done = story(request, events=on_terminal())
    if as_json:
        click.echo(json.dumps(done.as_json()))
        return
    for sentence in done.sentences:
        click.echo(sentence)


def inspect(
    model: options.Model,
    as_json: options.AsJson = False,
    test_itself: Annotated[
        bool, Option("Test whether this computer gives the answers stored in the file.", flags=("--self-test",))
    ] = False,
) -> None:
    """Show the contents of a model file, and how it describes itself."""
    from vidi.workflows.inspect import describe_model, inspect_model, self_test

    file, document = inspect_model(model)
    click.echo(json.dumps(document, indent=1) if as_json else describe_model(file, document))
    if test_itself:
        click.echo(self_test(file).sentence(), err=as_json)


def benchmark(request: BenchmarkRequest, *, as_json: options.AsJson = False) -> None:
    """Measure speed, memory and size of models on this processor, by engine, precision and threads."""
    from vidi.cli.screen import show_line, show_table
    from vidi.cli.terminal import on_terminal
    from vidi.workflows.benchmark import RIGHT
    from vidi.workflows.benchmark import benchmark as measure

    done = measure(request, progress=partial(on_terminal().count, "measuring, turn"))
    if as_json:
        click.echo(json.dumps(done.as_json(), indent=1))
    else:
        for sentence in done.sentences():
            show_line(sentence)
        show_table(done.rows(), right=RIGHT)
