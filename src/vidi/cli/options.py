"""Options that several verbs have and no request: where a model or a run lies, and the form of the answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Path to a model file or run folder, or a registered name.")
]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Path to the folder of a run, an evaluation or a comparison.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
NoPictures = Annotated[bool, typer.Option("--no-images", help="Leave all pictures out of the written files.")]


def given_flags(context: typer.Context) -> dict[str, str]:
    """Name → flag, of the options and arguments that stand on the command line."""
    given = {}
    for one in context.command.params:
        source = context.get_parameter_source(str(one.name))
        if source is not None and source.name == "COMMANDLINE":
            given[str(one.name)] = one.opts[0] if one.param_type_name == "option" else one.make_metavar(context)
    return given


def refuse_beside_resume(context: typer.Context, allowed: Sequence[str]) -> None:
    """Refuse options that `--resume` takes from the run.

    Raises:
        UsageError: one that is not among the allowed was given.
    """
    from vidi.errors import UsageError

    for name, flag in given_flags(context).items():
        if name not in allowed:
            raise UsageError(
                f"--resume takes data and recipe from the run, so it excludes {flag}",
                "Leave it out. To start a new run from these weights, use `vidi train --from RUN`.",
            )
