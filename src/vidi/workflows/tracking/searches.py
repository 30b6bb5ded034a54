"""A search for a better recipe as one run of a tracker: a step for each trial."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from vidi.report.words.progress.tracking import tracked_at
from vidi.training.recipe import Recipe
from vidi.training.tuning.study import TrialRow
from vidi.workflows.tracking.listener import SECONDS_AT_END, TrackingListener
from vidi.workflows.tracking.noted import write_noted
from vidi.workflows.tracking.tracker import TrackedRun, TrackerKind

FIGURES = ("accuracy", "loss", "epochs", "seconds")
RUNNING = "running"


class SearchTracking:
    """Tells a tracker each trial once, when it is over, and the comparison at the end."""

    def __init__(self, listener: TrackingListener | None) -> None:
        self._listener = listener
        self._told = set[int]()

    def begin(self, recipe: Recipe) -> None:
        """The default recipe is the run's parameters."""
        if self._listener is not None:
            self._listener.recipe(recipe)

    def trials(self, rows: Sequence[TrialRow]) -> None:
        """The trials that have ended since: their figures, and where the dials stood."""
        for row in rows:
            if self._listener is None or row.state == RUNNING or row.number in self._told:
                continue
            self._told.add(row.number)
            known = {f"trial.{name}": object.__getattribute__(row, name) for name in FIGURES}
            dials = {f"dial.{name}": value for name, value in row.values.items()}
            self._listener.figures(row.number + 1, _numbers({**known, **dials}))

    def end(self, document: Mapping[str, Any]) -> None:
        """The figures of the comparison, if there was one, and that the search is finished."""
        if self._listener is None:
            return
        finding = document.get("finding") or {}
        compared = finding.get("comparison") or {}
        figures = _numbers({f"comparison.{name}": value for name, value in compared.items()})
        if figures:
            self._listener.figures(len(document["trials"]) + 1, figures)
        self._listener.is_finished = document["state"] == "finished"


def _numbers(values: Mapping[str, object]) -> dict[str, float]:
    """Those that a curve can show.

    >>> _numbers({"a": 2, "b": None, "c": "high", "d": float("nan")})
    {'a': 2.0}
    """
    numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


@contextmanager
def tracked_search(
    kind: TrackerKind | None,
    name: str,
    run: TrackedRun,
    *,
    say: Callable[[str], None],
    seconds_at_end: float = SECONDS_AT_END,
) -> Iterator[SearchTracking]:
    """Give what tells a tracker about a search, and close the tracker's run at the end.

    Args:
        kind: the tracker; None for none.
        name: that the user knows it by.
        run: what it receives first.
        say: receives messages, also when the tracking fails.
        seconds_at_end: how long to wait at the end for what the tracker has not taken yet.

    Raises:
        VidiError: the tracker cannot be opened.
    """
    if kind is None:
        yield SearchTracking(None)
        return
    tracker = kind.open(run)
    write_noted(run.folder, name, tracker.noted)
    say(tracked_at(kind.title, tracker.place))
    listener = TrackingListener(tracker, title=kind.title, say=say)
    try:
        yield SearchTracking(listener)
    except BaseException as error:
        listener.close("failed" if isinstance(error, Exception) else "interrupted", seconds_at_end)
        raise
    listener.close("finished" if listener.is_finished else "interrupted", seconds_at_end)
