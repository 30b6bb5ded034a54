"""Events in the prediction log."""

import time
from collections.abc import Callable

from vidi.log.records import LoggedEvent
from vidi.log.store import PredictionLog
from vidi.workflows.watching.notices import EventNotice, Notice


class EventLogger:
    """Writes each event to the log, one row for all that is said of it."""

    def __init__(self, log: PredictionLog, *, now: Callable[[], float] = time.time) -> None:
        self._log, self._now = log, now

    def notify(self, notice: Notice) -> None:
        """Write an event; what happens to the source itself is not logged.

        Raises:
            LogUnavailableError: the log cannot be written now.
        """
        if not isinstance(notice, EventNotice):
            return
        event, began_at = notice.event, notice.watched.began_at
        self._log.note_events(
            [
                LoggedEvent(
                    id=event.id,
                    at=self._now() if began_at is None else began_at + event.began,
                    state=event.state,
                    source=notice.watched.source,
                    model_id=notice.watched.model_id,
                    label=event.label,
                    began=event.began,
                    last_seen=event.last_seen,
                    best=event.best.seconds,
                    score=event.best.score,
                )
            ]
        )
