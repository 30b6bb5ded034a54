"""`vidi log`: what is in a prediction log, and how is it deleted?"""

import json
import os

import click

from vidi.cli import options
from vidi.workflows.requests.log import LogContentsRequest


def log(request: LogContentsRequest, as_json: options.AsJson = False) -> None:
    """Show what a prediction log holds, or all that it knows of some images; with --delete, delete it."""
    from vidi.workflows.log_contents import describe, log_document

    document = log_document(request, os.environ)
    click.echo(json.dumps(document, indent=1) if as_json else describe(document))
