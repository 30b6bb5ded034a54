"""From the frames of a source to notices of events, with boxes around what was found, and the picture of the moment."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vidi.detection.locate import Located
from vidi.images.encode import encode_jpeg
from vidi.images.framing import fitted_size, resize
from vidi.model_file.values import NEED, Json
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor
from vidi.timeline.events import Event, EventRules
from vidi.timeline.timeline import Timeline
from vidi.video.live import Frame, SourceChange
from vidi.video.sources import VideoSource
from vidi.workflows.locating import finder, search_image
from vidi.workflows.requests.model_file import LocateRequest

LONG_AGO = -1.0  # seconds: before any frame
MOST_EVENTS: Final = 100
LONGER_SIDE: Final = 960  # pixels
QUALITY: Final = 80  # of JPEG


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedSource:
    """What is watched, and by which model."""

    source: str  # for people: no password
    model_id: str
    began_at: float | None  # the first frame, seconds since 1970, UTC; None of a file, whose frames have no date

    def moment(self, seconds: float) -> str | None:
        """When it was, as RFC 3339 writes it; None where that is not known.

        >>> WatchedSource(source="camera 0", model_id="", began_at=0.0).moment(1.5)
        '1970-01-01T00:00:01.500Z'
        """
        if self.began_at is None:
            return None
        then = datetime.fromtimestamp(self.began_at + seconds, UTC)
        return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventNotice:
    """An event on its way to whoever wants to know."""

    event: Event
    watched: WatchedSource
    image: NDArray[np.uint8] = field(repr=False)  # (height, width, 3), the best frame so far
    boxes: Sequence[Located] | None = None  # on that frame; None where they were not looked for
    files: dict[str, str] = field(default_factory=dict)  # what was kept: "snapshot" or "clip" → path in the folder

    def as_json(self) -> dict[str, Json]:
        """The event as it is printed, sent and kept."""
        event, best = self.event, self.event.best
        document: dict[str, Json] = {
            "event": event.state,
            "id": event.id,
            "label": event.label,
            "source": self.watched.source,
            "model": self.watched.model_id,
            "began": event.began,
            "began_at": self.watched.moment(event.began),
            "last_seen": event.last_seen,
            "last_seen_at": self.watched.moment(event.last_seen),
            "duration": round(event.duration, 6),
            "best": {"frame": best.number, "seconds": best.seconds, "score": round(best.score, 6)},
        }
        if self.boxes is not None:
            document["boxes"] = [
                {"label": one.label, "score": round(one.score, 6), "box": [round(side, 1) for side in one.box]}
                for one in self.boxes
            ]
        return {**document, **self.files}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNotice:
    """Something that happened to the source itself."""

    change: SourceChange
    watched: WatchedSource

    def as_json(self) -> dict[str, Json]:
        """The change as it is printed, sent and kept."""
        return {
            "event": self.change.kind,
            "source": self.watched.source,
            "model": self.watched.model_id,
            "seconds": round(self.change.seconds, 6),
            "at": self.watched.moment(self.change.seconds),
            "reason": self.change.reason,
        }


Notice = EventNotice | SourceNotice


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
    damage: str | None = field(default=None, metadata=NEED)  # what is wrong with a file
    seconds: float = 0.0  # of the source


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
        names = tuple(predictor.classes[one] for one in classes)
        has_maps = "evidence" in predictor.model.outputs
        self._find = finder(predictor, LocateRequest(classes=names, by="evidence" if has_maps else None))
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


class LivePicture:
    """Holds the newest of everything. Safe to use from several threads."""

    def __init__(self, source: str, labels: tuple[str, ...], *, with_images: bool) -> None:
        """
        Args:
            source: for people.
            labels: the classes that are watched for.
            with_images: whether frames are shown.
        """
        self.source, self.labels, self.with_images = source, labels, with_images
        self._changed = threading.Condition()
        self._image: NDArray[np.uint8] | None = None
        self._number = 0  # of frames so far
        self._jpeg: tuple[int, bytes] = (0, b"")
        self._scores: dict[str, Json] = {}
        self._answer = ""  # in words
        self._seconds = 0.0
        self._events: dict[str, dict[str, Json]] = {}  # the last word about each, the newest event last
        self._changes: deque[dict[str, Json]] = deque(maxlen=MOST_EVENTS)
        self.is_over = False

    def show(self, answered: AnsweredFrame) -> None:
        """Take a frame with its answer."""
        answer = answered.prediction
        scores = dict(zip(answer.classes, answer.probabilities.tolist(), strict=True))
        with self._changed:
            self._image, self._seconds = answered.frame.image, answered.frame.seconds
            self._number += 1
            self._scores = {"verdict": answer.verdict, **{name: scores[name] for name in self.labels}}
            self._answer = answer.describe()
            self._changed.notify_all()

    def notify(self, notice: Notice) -> None:
        """Take an event, or a change of the source."""
        document = notice.as_json()
        with self._changed:
            if "id" in document:
                self._events[str(document["id"])] = document
                while len(self._events) > MOST_EVENTS:
                    del self._events[next(iter(self._events))]
            else:
                self._changes.append(document)

    def close(self) -> None:
        """The watch is over: who waits for a frame waits no longer."""
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def jpeg(self, after: int, *, wait_seconds: float) -> tuple[int, bytes] | None:
        """The newest frame as a JPEG file, with its number; encoded once, however many look.

        Args:
            after: number of the frame that was seen last.
            wait_seconds: for a newer one.

        Returns:
            None where none came, or no frames are shown.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self.is_over, wait_seconds)
            if self._number <= after or self._image is None or not self.with_images:
                return None
            if self._jpeg[0] != self._number:
                size = (self._image.shape[0], self._image.shape[1])
                if max(size) > LONGER_SIDE:
                    size = fitted_size(size, (LONGER_SIDE, LONGER_SIDE))
                self._jpeg = self._number, encode_jpeg(resize(self._image, size), quality=QUALITY)
            return self._jpeg

    def document(self) -> dict[str, Json]:
        """What is known now: the last frame's scores, the events, and what happened to the source; newest first."""
        with self._changed:
            return {
                "source": self.source,
                "classes": list(self.labels),
                "images": self.with_images,
                "over": self.is_over,
                "frames": self._number,
                "seconds": self._seconds,
                "answer": self._answer,
                "scores": dict(self._scores),
                "events": list(reversed(self._events.values())),
                "changes": list(reversed(self._changes)),
            }
