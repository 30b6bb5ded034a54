"""`vidi calibrate`: other guarantees for a finished model."""

import json

import click

from vidi.cli import options
from vidi.workflows.requests.calibrate import CalibrateRequest


def calibrate(
    request: CalibrateRequest,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Calibrate a finished model again, on images it was not trained on; its weights stay the same."""
    from vidi.cli.terminal import Terminal
    from vidi.files import escape_path
    from vidi.model_file.limits import limits_to_json
    from vidi.model_file.operating_points import points_to_json
    from vidi.workflows.calibrate import calibrate as story

    done = story(request, events=Terminal())
    limits, points = done.model.metadata.verdict, done.model.metadata.operating_points
    if as_json:
        document = {
            "model": done.model.model_id,
            "images": done.image_count,
            "verdict": None if limits is None else limits_to_json(limits),
            "operating_points": None if points is None else points_to_json(points),
        }
        click.echo(json.dumps(document))
        return
    for sentence in done.sentences:
        click.echo(sentence)
    click.echo(f"model: {escape_path(request.output)}")
