"""Follows the classes of a source over time, and says when one comes into view and leaves it."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.timeline.events import Event, EventRules, SeenFrame, State

MICROSECONDS = 1_000_000  # times are compared as whole numbers: sums of fractions of a second are not exact


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """A frame that is held until the frames after it are known."""

    time: int  # microseconds
    number: int
    scores: NDArray[np.float64]  # (classes,)


@dataclass(slots=True, kw_only=True)
class _View:
    """A class that is in view, or may be."""

    began: int
    last_seen: int
    id: str = ""  # it has one when it is spoken of first
    spoken: int | None = None  # when it was last spoken of; None: it was not seen for long enough yet
    best: _Scored = field(repr=False)


class Timeline:
    """Takes the scores of frames in their order, and gives the events they make. Times are seconds of the source."""

    def __init__(self, labels: Sequence[str], rules: EventRules, *, run: str) -> None:
        """Begin without any frame."""
        self.labels, self.rules, self._run = tuple(labels), rules, run
        self._half = _whole(rules.window / 2)
        self._held: deque[_Scored] = deque()  # the newest last; the first ones are there to smooth the others
        self._decided = 0  # of those held
        self._views: dict[int, _View] = {}  # by class
        self._count = 0

    def add(self, seconds: float, number: int, scores: NDArray[np.floating[Any]] | Sequence[float]) -> list[Event]:
        """The events of which something is known now.

        Args:
            seconds: when the frame was; later than the one before.
            scores: (classes,), each in [0, 1]; NaN where the frame does not tell.

        Raises:
            ShapeError: there is not one score for each class, or the frame is not later than the one before.
        """
        row = np.asarray(scores, np.float64)
        if row.shape != (len(self.labels),):
            raise ShapeError(f"scores of shape {row.shape} for {len(self.labels)} classes", "Give one for each class.")
        time = _whole(seconds)
        events: list[Event] = []
        if self._held:
            before = self._held[-1].time
            if time <= before:
                raise ShapeError(f"a frame at {seconds:g} s is not after the one before", "Give frames in their order.")
            if time - before > _whole(self.rules.gap):
                events = self.interrupt()
        self._held.append(_Scored(time, number, row))
        return [*events, *self._decide(until=time - self._half)]

    def interrupt(self) -> list[Event]:
        """The source is lost, or ends: what was held is decided, and every event ends at the last frame that shows it.

        Frames may follow.
        """
        events = list(self._decide(until=None))
        for place in sorted(self._views):
            events += self._ended(place)
        self._held.clear()
        self._decided = 0
        return events

    def needed(self) -> set[int]:
        """The numbers of the frames that may still be the best of an event."""
        held = {frame.number for frame in list(self._held)[self._decided :]}
        return held | {view.best.number for view in self._views.values()}

    def _decide(self, *, until: int | None) -> Iterator[Event]:
        """Decide each frame that has enough others after it; `None`: none follow."""
        while self._decided < len(self._held):
            frame = self._held[self._decided]
            if until is not None and (frame.time > until or self._decided + 1 == len(self._held)):
                break
            yield from self._decide_frame(frame)
            self._decided += 1
            while self._decided > 1 and self._held[0].time < self._held[self._decided - 1].time - 2 * self._half:
                self._held.popleft()
                self._decided -= 1

    def _decide_frame(self, frame: _Scored) -> Iterator[Event]:
        smoothed = smoothed_score(
            [one.time for one in self._held],
            [one.scores for one in self._held],
            self._decided,
            half=self._half,
            gap=_whole(self.rules.gap),
        )
        for place, score in enumerate(smoothed):
            view = self._views.get(place)
            if view is None:
                if score >= self.rules.start:
                    self._views[place] = _View(began=frame.time, last_seen=frame.time, best=frame)
                    yield from self._spoken(place, frame)
            elif np.isnan(score):
                if frame.time - view.last_seen > _whole(self.rules.gap):
                    yield from self._ended(place)
            elif score >= self.rules.end:
                view.last_seen = frame.time
                if frame.scores[place] > view.best.scores[place] or np.isnan(view.best.scores[place]):
                    view.best = frame
                yield from self._spoken(place, frame)
            elif frame.time - view.last_seen >= _whole(self.rules.absence):
                yield from self._ended(place)

    def _spoken(self, place: int, frame: _Scored) -> Iterator[Event]:
        """Say of an event that it is there, or still there."""
        view = self._views[place]
        if view.spoken is None:
            if frame.time - view.began >= _whole(self.rules.shortest):
                self._count += 1
                view.id, view.spoken = f"{self._run}-{self._count}", frame.time
                yield self._event("new", place, view)
        elif frame.time - view.spoken >= _whole(self.rules.update_every):
            view.spoken = frame.time
            yield self._event("update", place, view)

    def _ended(self, place: int) -> Iterator[Event]:
        view = self._views.pop(place)
        if view.spoken is not None:
            yield self._event("end", place, view)

    def _event(self, state: State, place: int, view: _View) -> Event:
        score = view.best.scores[place]
        return Event(
            state=state,
            id=view.id,
            label=self.labels[place],
            began=view.began / MICROSECONDS,
            last_seen=view.last_seen / MICROSECONDS,
            best=SeenFrame(
                number=view.best.number,
                seconds=view.best.time / MICROSECONDS,
                score=0.0 if np.isnan(score) else float(score),
            ),
        )


def _whole(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def smoothed_score(
    times: Sequence[int], scores: Sequence[NDArray[np.float64]], at: int, *, half: int, gap: int
) -> NDArray[np.float64]:
    """The median score of each class around one frame.

    The frames counted are those within half a window, and at least the ones directly before and after, unless the gap
    to them is too long. So a slow source is smoothed over three frames.

    Args:
        times: of the frames, microseconds, increasing.
        scores: (classes,) for each frame; NaN where a frame does not tell.
        at: index of the frame.
        half: of the window, microseconds.
        gap: the longest time to the frame before or after, microseconds.

    Returns:
        (classes,), NaN where no frame tells.

    >>> rows = [np.array([value]) for value in (0.1, 0.9, 0.2)]
    >>> smoothed_score([0, 200_000, 400_000], rows, 1, half=500_000, gap=1_000_000)
    array([0.2])
    """
    now = times[at]
    chosen = [
        row
        for index, (time, row) in enumerate(zip(times, scores, strict=True))
        if abs(time - now) <= half or (abs(index - at) == 1 and abs(time - now) <= gap)
    ]
    rows = np.stack(chosen)
    told = ~np.isnan(rows).all(axis=0)
    medians = np.full(rows.shape[1], np.nan)
    medians[told] = np.nanmedian(rows[:, told], axis=0)
    return medians
