"""The options of `vidi watch`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Argument, Option
from vidi.timeline.events import EventRules
from vidi.workflows.requests.shared import USUAL_ENGINE, Engine, PicturesUnlessOff

USUAL = EventRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What to watch, and when something counts as seen."""

    source: Annotated[
        str, Argument("SOURCE", "A camera's number (0), a video file, or an rtsp:// or http:// address of a stream.")
    ]
    classes: Annotated[
        tuple[str, ...] | None,
        Option(
            "Name of a class to watch for; repeat it for more (default: all but background and the like).",
            flags=("--class",),
            metavar="NAME",
            several=True,
        ),
    ] = None
    start: Annotated[float, Option("Score at which an event begins.", metavar="SHARE")] = USUAL.start
    end: Annotated[float, Option("Score below which an event ends.", metavar="SHARE")] = USUAL.end
    locate: Annotated[bool, Option("Find boxes on the best frame of each event.")] = False
    engine: Engine = USUAL_ENGINE

    def __post_init__(self) -> None:
        self.rules()

    def rules(self) -> EventRules:
        """When something counts as seen.

        Raises:
            UsageError: the numbers contradict each other.
        """
        return EventRules(start=self.start, end=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOutputs:
    """Where events go, besides the terminal."""

    output: Annotated[
        Path | None,
        Option(
            "Path to a folder for the events: a table, a snapshot of each, and a page.",
            flags=("--output", "-o"),
            metavar="DIR",
        ),
    ] = None
    images: PicturesUnlessOff = True
    clips: Annotated[bool, Option("Also keep a short video of each event in the folder.")] = False
    keep_days: Annotated[float, Option("Keep a snapshot or clip for at most this time.", metavar="DAYS", least=0)] = (
        30.0
    )
    webhook: Annotated[
        str | None,
        Option("Send each event to this http:// or https:// address, signed with VIDI_WEBHOOK_SECRET.", metavar="URL"),
    ] = None
    log: Annotated[
        str | None, Option("Log each event there: a file, or postgresql://USER@HOST/DATABASE.", metavar="URL")
    ] = None

    def __post_init__(self) -> None:
        if self.clips and self.output is None:
            raise UsageError("--clips without a folder", "Say where with `--output DIR`.")
        if self.clips and not self.images:
            raise UsageError("--clips and VIDI_NO_IMAGES exclude each other", "Use only one of them.")
