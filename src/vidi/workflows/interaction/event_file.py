"""events.jsonl: each event of a workflow as one line of JSON, for whoever follows the work or reads about it later."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from vidi.errors import as_vidi_error
from vidi.files import escape_path
from vidi.workflows.interaction.events import (
    Ended,
    EpochEnded,
    Event,
    Events,
    Message,
    RunFinished,
    SearchStep,
    StageProgress,
    StepDone,
    TrainingStarted,
)

EVENTS = "events.jsonl"
SECONDS_BETWEEN = 0.25  # lines of progress
NAMES = {  # stable: pages and programs read them
    Message: "message",
    StageProgress: "stage",
    TrainingStarted: "training",
    StepDone: "step",
    EpochEnded: "epoch",
    SearchStep: "search",
    RunFinished: "run",
    Ended: "ended",
}


class EventFile:
    """Appends events to a folder's events.jsonl; of progress a few lines a second.

    A line that cannot be written is left out: a full disk must not end the work that the line is about.
    """

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        """
        Args:
            folder: which this process holds.
            now: the clock, in seconds since 1970.
        """
        self._path, self._now = folder / EVENTS, now
        self._last, self._stage = -math.inf, ""

    def open(self) -> None:
        """End a line that a killed writer left half written, so that the next one is whole."""
        with contextlib.suppress(OSError), self._path.open("r+b") as stream:
            if stream.seek(0, 2):
                stream.seek(-1, 2)
                if stream.read(1) != b"\n":
                    stream.write(b"\n")

    def tell(self, event: Event) -> None:
        """Write an event."""
        at = self._now()
        if self._is_passed_over(event, at):
            return
        values = {"event": NAMES[type(event)], "at": round(at, 2), **asdict(event, dict_factory=_finite)}
        with contextlib.suppress(OSError), self._path.open("ab") as stream:
            stream.write(json.dumps(values, allow_nan=False, default=escape_path).encode() + b"\n")

    def _is_passed_over(self, event: Event, at: float) -> bool:
        """Whether an event is progress that comes too soon after the last, and neither begins nor ends a stage."""
        match event:
            case StageProgress(what, done, total):
                stage, is_last = what, done >= total
            case StepDone(progress):
                stage, is_last = f"epoch {progress.epoch}", progress.step >= progress.steps
            case SearchStep(progress):
                stage, is_last = progress.doing, False
            case _:
                return False
        if stage == self._stage and not is_last and 0 <= at - self._last < SECONDS_BETWEEN:
            return True
        self._last, self._stage = at, stage
        return False


def _finite(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """The fields of a dataclass, a number that JSON does not know as null: the loss of a training that diverged."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in pairs}


@contextlib.contextmanager
def recorded(folder: Path, events: Events, *, resume: str, now: Callable[[], float] = time.time) -> Iterator[Events]:
    """Give a listener that also writes events.jsonl; its last line says how the work ended, and what to do then.

    Args:
        folder: which this process holds, and where the file is continued.
        events: the listener that the user sees.
        resume: the command that continues the work after it was stopped.
        now: the clock, in seconds since 1970.
    """
    file, is_finished = EventFile(folder, now=now), False
    file.open()

    def tell(event: Event) -> None:
        nonlocal is_finished
        is_finished = is_finished or isinstance(event, RunFinished)
        events.tell(event)
        file.tell(event)

    stopped = Ended("stopped", "It was stopped; what it had is kept.", f"Continue: {resume}")
    try:
        yield Events(tell)
    except Exception as error:
        told = as_vidi_error(error)
        file.tell(Ended("failed", told.cause, told.remedy))
        raise
    except BaseException:
        file.tell(stopped)
        raise
    file.tell(Ended("finished") if is_finished else stopped)
