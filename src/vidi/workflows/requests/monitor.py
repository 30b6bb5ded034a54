"""The options of `vidi monitor`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option
from vidi.workflows.requests.shared import PicturesUnlessOff
from vidi.workflows.requests.written import parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRequest:
    """Options of `vidi monitor`."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    log: Annotated[
        str, Option("Prediction log to read: a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE.", metavar="URL")
    ]
    since: Annotated[
        float | None,
        Option("Leave out what was predicted before, for example 2026-11-22.", metavar="DATE", read=parse_time),
    ] = None
    output: Annotated[Path | None, Option("Write the finding as a page.", flags=("--output", "-o"), metavar="FILE")] = (
        None
    )
    prometheus: Annotated[
        Path | None,
        Option("Write gauges for the textfile collector of Prometheus's node exporter.", metavar="FILE"),
    ] = None
    images: PicturesUnlessOff = True
