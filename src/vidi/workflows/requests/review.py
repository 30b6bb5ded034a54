"""The options of `vidi review`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option
from vidi.workflows.requests.written import parse_names


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """What to review, who reviews it, and where the labels go."""

    source: Annotated[
        str | None, Argument("FOLDER|RUN", "Folder of images, a run or a registered name; leave it out with --log.")
    ] = None
    log: Annotated[
        str | None, Option("Path or URL of a prediction log, whose kept images are reviewed.", metavar="URL")
    ] = None
    model: Annotated[
        Path | None,
        Option(
            "Path to a model file or run, or a registered name, that answers; with --log, whose logged answers count.",
            metavar="MODEL",
        ),
    ] = None
    classes: Annotated[
        tuple[str, ...] | None,
        Option("Classes to choose from, where neither images nor a model have any.", metavar="A,B", read=parse_names),
    ] = None
    labels: Annotated[
        Path | None, Option("Path to the table of answers about a folder (default: beside it).", metavar="FILE")
    ] = None
    export: Annotated[
        Path | None, Option("Write the confirmed labels as a data set, and show no page.", metavar="DIR")
    ] = None
    port: Annotated[int, Option("Port of the page; 0 takes any that is free.", metavar="N", least=0)] = 8001
