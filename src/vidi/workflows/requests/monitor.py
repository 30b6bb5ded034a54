"""The options of `vidi monitor`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Argument, Option
from vidi.workflows.requests.log import PasswordFile
from vidi.workflows.requests.shared import Pictures
from vidi.workflows.requests.written import parse_time

RATE = 0.01  # of all undisturbed streams that may ever raise an alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRequest:
    """Options of `vidi monitor`."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    log: Annotated[
        str, Option("Prediction log to read: a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE.", metavar="URL")
    ]
    log_password_file: PasswordFile = None
    since: Annotated[
        float | None,
        Option("Leave out what was predicted before, for example 2026-11-22.", metavar="DATE", read=parse_time),
    ] = None
    false_alarms: Annotated[
        float, Option("Share of undisturbed models that may ever raise an alarm.", metavar="SHARE")
    ] = RATE
    output: Annotated[Path | None, Option("Write the finding as a page.", flags=("--output", "-o"), metavar="FILE")] = (
        None
    )
    prometheus: Annotated[
        Path | None,
        Option("Write gauges for the textfile collector of Prometheus's node exporter.", metavar="FILE"),
    ] = None
    images: Pictures = True

    def __post_init__(self) -> None:
        if not 0 < self.false_alarms < 1:
            raise UsageError(f"--false-alarms {self.false_alarms:g} is no share", "Use a number between 0 and 1.")
