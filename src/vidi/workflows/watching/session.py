"""From the frames of a source to notices about it, with boxes around what was found."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vidi.detection.locate import Located
from vidi.model_file.values import Json
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor
from vidi.timeline.events import Event, EventRules
from vidi.timeline.timeline import Timeline
from vidi.video.live import Frame, SourceChange
from vidi.video.sources import VideoSource
from vidi.workflows.locating.search import finder, search_image
from vidi.workflows.requests.model_file import LocateRequest
from vidi.workflows.watching.notices import EventNotice, Notice, SourceNotice, WatchedSource

LONG_AGO = -1.0  # seconds: before any frame
EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnsweredFrame:
    """A frame, and what the model says of it."""

    frame: Frame
    watched: WatchedSource
    prediction: Prediction


@dataclass(slots=True, kw_only=True)
class WatchSummary:
    """What came out, counted while the source is watched."""

    frames: int = 0
    events: Counter[str] = field(default_factory=Counter)  # label → events that began
    offline: int = 0  # times that the source was lost
    damage: str | None = None  # what is wrong with a file
    seconds: float = 0.0  # of the source

    def as_json(self) -> dict[str, Json]:
        """The summary as plain values."""
        return {
            "frames": self.frames,
            "events": dict(self.events),
            "offline": self.offline,
            "damage": self.damage,
            "seconds": self.seconds,
        }


class WatchSession:
    """Watches one source with one model. Frames go in, notices come out."""

    def __init__(
        self,
        predictor: Predictor,
        source: VideoSource,
        *,
        classes: Sequence[int],
        rules: EventRules,
        run: str,
        show: Callable[[AnsweredFrame], None] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            predictor: the loaded model.
            source: that the frames come from.
            classes: indexes of the classes that are watched for.
            rules: when something counts as seen.
            run: begins the id of each event.
            show: receives each frame with its answer.
            now: seconds since 1970, UTC.
        """
        self.summary = WatchSummary()
        self._predictor, self._source, self._show, self._now = predictor, source, show, now
        self._classes = list(classes)
        self._timeline = Timeline([predictor.classes[one] for one in classes], rules, run=run)
        self._images: dict[int, NDArray[np.uint8]] = {}  # of the frames that may be shown with an event
        self._last = LONG_AGO
        self._watched = WatchedSource(source=source.name, model_id=predictor.model.model_id, began_at=None)

    def notices(self, frames: Iterable[Frame | SourceChange]) -> Iterator[Notice]:
        """The notices, in their order.

        Args:
            frames: of `vidi.video.sources.watch_source`.
        """
        for one in frames:
            if isinstance(one, SourceChange):
                yield from self._changed(one)
            elif one.seconds > self._last:  # a damaged file may hold several frames of one time
                yield from self._seen(one)
        yield from self._notices(self._timeline.interrupt())

    def _seen(self, frame: Frame) -> Iterator[Notice]:
        if self._source.is_live and self._watched.began_at is None:
            began = self._now() - frame.seconds
            self._watched = WatchedSource(source=self._source.name, model_id=self._watched.model_id, began_at=began)
        self._last = frame.seconds
        self.summary.frames += 1
        self.summary.seconds = frame.seconds
        answer = self._predictor.predict([frame.image])[0]
        self._show(AnsweredFrame(frame=frame, watched=self._watched, prediction=answer))
        self._images[frame.number] = frame.image
        events = self._timeline.add(
            frame.seconds, frame.number, scores_of(answer, self._classes, low=self._timeline.rules.end)
        )
        yield from self._notices(events)
        needed = self._timeline.needed()
        self._images = {number: image for number, image in self._images.items() if number in needed}

    def _changed(self, change: SourceChange) -> Iterator[Notice]:
        if change.kind == "damaged":
            self.summary.damage = change.reason
        if change.kind == "offline":
            self.summary.offline += 1
            yield from self._notices(self._timeline.interrupt())
        yield SourceNotice(change=change, watched=self._watched)

    def _notices(self, events: Sequence[Event]) -> Iterator[EventNotice]:
        for event in events:
            if event.state == "new":
                self.summary.events[event.label] += 1
            yield EventNotice(event=event, watched=self._watched, image=self._images[event.best.number])


def scores_of(answer: Prediction, classes: Sequence[int], *, low: float) -> NDArray[np.float64]:
    """The scores of a frame: the calibrated probabilities.

    Where the model says that it does not know, a low score still shows that there is no sign of the class; any other
    says nothing, so that it neither begins an event nor ends one.

    Args:
        answer: of the frame.
        classes: indexes of those that are watched for.
        low: scores below it are low.

    Returns:
        (classes,), NaN where the frame does not tell.
    """
    scores = answer.probabilities[list(classes)].astype(np.float64)
    if answer.verdict == "unknown":
        scores[scores >= low] = np.nan
    return scores


class BestFrameBoxes:
    """Finds boxes on the best frames, once on each."""

    def __init__(self, predictor: Predictor, classes: Sequence[int]) -> None:
        """Choose the faster search that the model allows.

        Args:
            predictor: the loaded model.
            classes: indexes of those that are looked for.
        """
        by = EVIDENCE if EVIDENCE in predictor.model.outputs else "windows"
        names = tuple(predictor.classes[one] for one in classes)
        self._find = finder(predictor, LocateRequest(classes=names, by=by))  # type: ignore[arg-type]
        self._known: dict[str, tuple[int, list[Located]]] = {}  # event → frame, boxes

    def added(self, notice: EventNotice) -> EventNotice:
        """The event with the boxes of its class on its best frame."""
        event = notice.event
        number, boxes = self._known.get(event.id, (-1, []))
        if number != event.best.number:
            found = search_image(self._find, event.id, notice.image).boxes
            boxes = [one for one in found if one.label == event.label]
        self._known[event.id] = (event.best.number, boxes)
        if event.state == "end":
            del self._known[event.id]
        return replace(notice, boxes=boxes)
