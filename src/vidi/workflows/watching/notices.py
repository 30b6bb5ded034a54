"""Notices about a watched source: events with their best frame, and what happens to the source."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from vidi.detection.locate import Located
from vidi.model_file.values import Json
from vidi.timeline.events import Event
from vidi.video.live import SourceChange


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
