"""`vidi inspect`: what is inside a model file?"""

import json
from typing import Annotated

import typer

from vidi.cli import options


def inspect(
    model: options.Model,
    as_json: options.AsJson = False,
    test_itself: Annotated[
        bool, typer.Option("--self-test", help="Test whether this computer gives the answers stored in the file.")
    ] = False,
) -> None:
    """Show the contents of a model file, and how it describes itself."""
    from vidi.workflows.inspect import describe_model, inspect_model, self_test

    file, document = inspect_model(model)
    typer.echo(json.dumps(document, indent=1) if as_json else describe_model(file, document))
    if test_itself:
        typer.echo(self_test(file).sentence(), err=as_json)
