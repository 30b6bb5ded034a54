"""`vidi inspect`: what is inside a model file?"""

import json
from typing import Annotated

import click

from vidi.cli import options
from vidi.options import Option


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
