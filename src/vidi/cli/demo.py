"""`vidi demo`: the whole job on real photographs."""

from pathlib import Path
from typing import Annotated

import click

from vidi.options import Argument


def demo(
    name: Annotated[
        str,
        Argument(
            "faces|digits|loop",
            "Which images to classify (default faces); loop: what keeps a model good in use.",
        ),
    ] = "faces",
) -> None:
    """Train on real photographs, test, and classify images from elsewhere, in one to three minutes."""
    from vidi.cli.terminal import Terminal
    from vidi.machine import wait_without_spinning

    wait_without_spinning()  # before torch is imported
    from vidi.workflows.demo import run_demo

    for line in run_demo(name, Path("runs"), events=Terminal()):
        click.echo(line)
