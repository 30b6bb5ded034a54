"""What a tracker receives about a run; each tracker is one file beside this one."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from vidi.files import read_json, write_atomic

Ending = Literal["finished", "interrupted", "failed"]
TRACKED = "tracked.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A run that begins or goes on."""

    folder: Path  # the run's own
    facts: Mapping[str, str]  # what is known before training: the data, the version of vidi
    noted: Mapping[str, str]  # what the tracker noted when the run was opened before; empty for a new one


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedResult:
    """A run that has ended, as trackers take it."""

    parameters: Mapping[str, str]  # the recipe as it was carried out
    figures: Mapping[str, float]  # on the test images
    files: tuple[Path, ...]  # report, figures and settings of the run folder
    model: Path  # the model file
    sentence: str  # the result in words


class Tracker(Protocol):
    """An open run in a tracker. Every call may raise whatever it likes: it costs the tracking, never the training."""

    @property
    def noted(self) -> Mapping[str, str]:
        """What is needed to find the run again; kept in the run folder."""

    @property
    def place(self) -> str:
        """Where the run can be seen, in words."""

    def parameters(self, values: Mapping[str, str]) -> None:
        """The recipe of the training that begins."""

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        """Figures of an epoch, which counts from 1; the same epoch may come again after a run was resumed."""

    def result(self, result: TrackedResult) -> None:
        """Everything about the finished run."""

    def close(self, ending: Ending) -> None:
        """No more will come; everything must be stored when it returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerKind:
    """One line of the list of trackers."""

    title: str  # its name, for messages
    extra: str  # of vidi, which brings its packages
    packages: tuple[str, ...]  # that it imports
    open: Callable[[TrackedRun], Tracker]
    check: Callable[[], None] = lambda: None  # raises a VidiError where it cannot be used; quick, and writes nothing


def without_password(text: str) -> str:
    """Addresses without the name and the password in them.

    >>> without_password("https://me:secret@host/mlflow")
    'https://host/mlflow'
    """
    return re.sub(r"//[^/@\s]*@", "//", text)


def describe_failure(error: Exception) -> str:
    """What an error says, short and without a password.

    >>> describe_failure(OSError("no answer from http://me:secret@host:80/api\\nand so on"))
    'no answer from http://host:80/api'
    """
    return without_password((str(error).strip() or type(error).__name__).splitlines()[0])[:300]


def read_noted(folder: Path, tracker: str) -> dict[str, str]:
    """What the tracker of that name noted in a run folder; empty where it noted nothing that can be read."""
    try:
        values = read_json(folder / TRACKED)
        return dict(values["noted"]) if values["tracker"] == tracker else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_noted(folder: Path, tracker: str, noted: Mapping[str, str]) -> None:
    """Keep what the tracker needs to find the run again."""
    document = {"schema": 1, "tracker": tracker, "noted": dict(noted)}
    write_atomic(folder / TRACKED, json.dumps(document, indent=1) + "\n")
