"""`vidi calibrate`: other promises for a finished model."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vidi.cli import options


def calibrate(
    context: typer.Context,
    model: options.Model,
    data: options.Data,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The new model file.")],
    overwrite: options.Overwrite = False,
    max_error: options.MaxError = None,
    coverage: options.Coverage = None,
    recall: options.Recall = None,
    precision: options.Precision = None,
    false_alarms_per: options.FalseAlarmsPer = None,
    costs: options.Costs = None,
    renames: Annotated[
        list[str] | None, typer.Option("--map", metavar="A=B", help="The data's class A is the model's class B.")
    ] = None,
    classes: options.Classes = None,
    positive: options.Positive = None,
    names: options.Names = None,
    follow_links: options.FollowLinks = False,
    allow_outside: options.AllowOutside = False,
    merge_names: options.MergeNames = False,
    keep_truncated: options.KeepTruncated = False,
    data_dir: options.DataDir = None,
    workers: options.Workers = None,
    as_json: options.AsJson = False,
) -> None:
    """Calibrate a finished model anew on images that it has not learnt from; its weights stay as they are."""
    from vidi.cli.terminal import Terminal
    from vidi.evaluation.guarantees.limits import Promise
    from vidi.evaluation.match import parse_renames
    from vidi.files import escape_path
    from vidi.model_file.limits import limits_to_json
    from vidi.model_file.operating_points import points_to_json
    from vidi.workflows.calibrate import CalibrateRequest
    from vidi.workflows.calibrate import calibrate as story

    request = CalibrateRequest(
        model=model,
        data=options.data_request(context.params),
        output=output,
        promise=Promise.of(max_error=max_error, coverage=coverage),
        wish=options.wish(context.params),
        renames=parse_renames(renames or []),
        workers=workers,
        overwrite=overwrite,
    )
    done = story(request, events=Terminal())
    limits, points = done.model.metadata.verdict, done.model.metadata.operating_points
    if as_json:
        document = {
            "model": done.model.model_id,
            "images": done.image_count,
            "verdict": None if limits is None else limits_to_json(limits),
            "operating_points": None if points is None else points_to_json(points),
        }
        typer.echo(json.dumps(document))
        return
    for sentence in done.sentences:
        typer.echo(sentence)
    typer.echo(f"model: {escape_path(output)}")
