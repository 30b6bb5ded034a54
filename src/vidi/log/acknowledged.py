"""Feedback that is on the disk before anybody is thanked for it: what comes together is committed together."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from vidi.background import Background
from vidi.errors import VidiError
from vidi.log.records import Feedback, LogUnavailableError, Taken

if TYPE_CHECKING:
    from vidi.log.store import PredictionLog

MOST_TOGETHER: Final = 200  # in one transaction
MOST_WAITING: Final = 2_000
LAST_SECONDS: Final = 10.0
REMEDY: Final = "Look at the log's database."


class FeedbackWriter(Background[tuple[Feedback, "Future[Taken]"]]):
    """Commits feedback in a thread of its own. A context: leaving it writes what waits."""

    def __init__(self, log: "PredictionLog") -> None:
        super().__init__(
            self._commit,
            name="vidi-feedback",
            most_waiting=MOST_WAITING,
            most_together=MOST_TOGETHER,
            last_seconds=LAST_SECONDS,
        )
        self._log = log

    def submit(self, feedback: Feedback) -> "Future[Taken]":
        """Hand feedback over; the future is done when it is committed, or fails as the log does.

        Raises:
            LogUnavailableError: too much waits already.
        """
        future: Future[Taken] = Future()
        if not self.put((feedback, future)):
            raise LogUnavailableError("locked", "too much feedback waits for the log", "Try again later.")
        return future

    def _commit(self, given: Sequence[tuple[Feedback, "Future[Taken]"]]) -> None:
        together = [(one, future) for one, future in given if future.set_running_or_notify_cancel()]
        try:
            taken = self._log.add_all([one for one, _ in together])
        except Exception as error:
            unexpected = f"{type(error).__name__}: {error}"
            cause = error if isinstance(error, VidiError) else LogUnavailableError("lost", unexpected, REMEDY)
            for _, future in together:
                future.set_exception(cause)
            return
        for (_, future), one in zip(together, taken, strict=True):
            future.set_result(one)
