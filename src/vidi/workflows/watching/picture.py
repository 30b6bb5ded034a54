"""The last frame and the last events of a watch, for whoever looks at them while it goes on."""

import threading
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vidi.images.encode import encode_jpeg
from vidi.images.framing import fitted_size, resize
from vidi.model_file.values import Json
from vidi.workflows.watching.notices import Notice
from vidi.workflows.watching.session import AnsweredFrame

MOST_EVENTS: Final = 100
LONGER_SIDE: Final = 960  # pixels
QUALITY: Final = 80  # of JPEG


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
