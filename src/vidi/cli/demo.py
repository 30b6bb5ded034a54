"""`vidi demo`: the whole job on real photographs."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    name: Annotated[
        str,
        typer.Argument(
            metavar="faces|digits|loop",
            help="Which images to classify (default faces); loop: what keeps a model good in use.",
            show_default=False,
        ),
    ] = "faces",
    folder: Annotated[
        Path,
        typer.Option(
            "--runs", metavar="DIR", help="Path to the folder for the run demo-NAME (default runs).", show_default=False
        ),
    ] = Path("runs"),
) -> None:
    """Train on real photographs, test, and classify images from elsewhere, in one to three minutes."""
    from vidi.cli.terminal import Terminal
    from vidi.machine import wait_without_spinning

    wait_without_spinning()  # before torch is imported
    from vidi.workflows.demo import run_demo

    for line in run_demo(name, folder, events=Terminal()):
        typer.echo(line)
