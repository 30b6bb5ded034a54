"""The options of `vidi monitor`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Argument, Option
from vidi.workflows.requests.shared import Pictures

RATE = 0.01  # of all undisturbed streams that may ever raise an alarm


def parse_moment(text: str) -> float:
    """What `--since` says: a date, or a date and a time, in seconds since 1970, UTC.

    Raises:
        UsageError: it says something else.

    >>> parse_moment("1970-01-02"), parse_moment("1970-01-01T01:00:00+01:00")
    (86400.0, 0.0)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--since {text!r} is not a date", "Write 2026-11-22, or 2026-11-22T14:30 (UTC unless a zone is given)."
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRequest:
    """Options of `vidi monitor`."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or a run folder.")]
    log: Annotated[
        str, Option("Prediction log to read: a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE.", metavar="URL")
    ]
    log_password_file: Annotated[
        Path | None,
        Option("Path to a file with the log's password (default VIDI_LOG_PASSWORD).", metavar="FILE"),
    ] = None
    since: Annotated[
        float | None,
        Option("Leave out what was predicted before, for example 2026-11-22.", metavar="DATE", read=parse_moment),
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
