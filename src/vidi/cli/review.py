"""`vidi review`: label images on a page of this computer, or write the labels as a data set."""

import json
import os

import click

from vidi.cli import options
from vidi.workflows.requests.review import ReviewRequest


def review(request: ReviewRequest, *, as_json: options.AsJson = False) -> None:
    """Show images to label on a page, the most informative first; --export writes the confirmed labels."""
    from vidi.cli.terminal import Terminal

    if request.export is None:
        from vidi.serving.review.start import serve_review

        serve_review(request, events=Terminal())
        return
    from vidi.cli.screen import show_line
    from vidi.workflows.review import export_labels

    made = export_labels(request, events=Terminal(), environment=os.environ)
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=1))
        return
    for line in made.summary():
        show_line(line)
