"""A tracker of the tests' own: a third one, beside those that vidi knows."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vidi.workflows.tracking.tracker import Ending, TrackedResult, TrackedRun, TrackerKind


@dataclass
class FakeTracker:
    """Keeps what it is told, in order; fails or waits where a test wants it to."""

    fails_at: int = 0  # the epoch
    waits_for: threading.Event | None = None
    told: list[Any] = field(default_factory=list)
    run: TrackedRun | None = None
    noted: Mapping[str, str] = field(default_factory=lambda: {"run": "7"})
    place: str = "nowhere"

    def parameters(self, values: Mapping[str, str]) -> None:
        self.told.append(dict(values))

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        if self.waits_for is not None:
            self.waits_for.wait(60)
        if self.fails_at and number >= self.fails_at:
            raise OSError("the server is gone at http://me:secret@host")
        self.told.append((number, dict(values)))

    def result(self, result: TrackedResult) -> None:
        self.told.append(result)

    def close(self, ending: Ending) -> None:
        self.told.append(ending)


def fake_kind(
    tracker: FakeTracker | Callable[[TrackedRun], FakeTracker], packages: tuple[str, ...] = ()
) -> TrackerKind:
    """The line in the list of trackers for a fake one, or for what opens it."""

    def open_fake(run: TrackedRun) -> FakeTracker:
        if not isinstance(tracker, FakeTracker):
            return tracker(run)
        tracker.run = run
        return tracker

    return TrackerKind(title="Fake", extra="fakes", packages=packages, check=lambda: None, open=open_fake)
