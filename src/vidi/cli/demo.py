"""`vidi demo`: the whole job on real photographs."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    name: Annotated[str, typer.Argument(metavar="faces|digits", help="What to tell apart.")] = "faces",
    folder: Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where runs/demo-NAME is written.")] = Path(
        "runs"
    ),
) -> None:
    """Train on real photographs, test, and answer about images from elsewhere; about a minute and a half."""
    from vidi.cli.terminal import Terminal
    from vidi.machine import wait_without_spinning

    wait_without_spinning()  # before torch is imported
    from vidi.workflows.demo import run_demo

    for line in run_demo(name, folder, events=Terminal()):
        typer.echo(line)
