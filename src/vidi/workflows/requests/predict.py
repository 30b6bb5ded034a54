"""What `vidi predict` is asked for, and what every verb is that answers about images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option
from vidi.workflows.requests.shared import FollowLinks, KeepTruncated, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsRequest:
    """Which images the user named, and how they are opened."""

    inputs: Annotated[
        tuple[str, ...],
        Argument("PATHS…", "Files, folders, patterns, archives; - is one image on standard input.", several=True),
    ] = ()
    follow_links: FollowLinks = False
    keep_truncated: KeepTruncated = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictRequest:
    """What the user wants to be told about each image, and where it goes."""

    files_from: Annotated[
        str | None,
        Option(
            "Classify the files of a list, one path a line or NUL-separated; - reads the list from standard input.",
            metavar="FILE",
        ),
    ] = None
    output: Annotated[
        Path | None, Option("Write there instead of standard output.", flags=("--output", "-o"), metavar="FILE")
    ] = None
    top: Annotated[int | None, Option("Show the K most probable classes.", metavar="K", least=1)] = None
    sort_into: Annotated[Path | None, Option("Copy each image into a folder of its class.", metavar="DIR")] = None
    workers: Workers = None
