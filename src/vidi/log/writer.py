"""Writes a log in threads of its own: whoever answers hands rows over and never waits; feedback is acknowledged."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Self

from vidi.background import Background
from vidi.errors import VidiError
from vidi.log.records import Feedback, LoggedPrediction, LogUnavailableError, Taken, Trouble

if TYPE_CHECKING:
    from vidi.log.store import PredictionLog

DAY: Final = 86_400.0  # seconds
COMMIT_SECONDS: Final = 0.5  # rows wait for others this long: a kill loses what came since the last commit
RETRY_SECONDS: Final = 1.0  # after a commit that failed
TRIM_SECONDS: Final = 10.0  # between two looks at the age and size of kept images
LAST_SECONDS: Final = 10.0  # for what waits when the writer is closed
MOST_ROWS: Final = 500  # in one transaction
MOST_WAITING: Final = 20_000  # rows
MOST_IMAGE_BYTES: Final = 64_000_000  # of images that wait
FEEDBACK_TOGETHER: Final = 200  # in one transaction
FEEDBACK_WAITING: Final = 2_000

State = Literal["ok"] | Trouble
STATES: Final[tuple[State, ...]] = ("ok", "locked", "full", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Which images are kept, beside the rows: the newest, until they are too old or too large in all."""

    days: float = 30.0
    megabytes: float = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PendingAnswer:
    """One answer on its way to the log."""

    make: Callable[[], LoggedPrediction]  # called in the writer's thread: what an answer need not wait for
    image: bytes | None = None  # its file, where it is to be kept


@dataclass(slots=True, kw_only=True)
class WriterState:
    """How a writer stands."""

    state: State = "ok"
    why: str | None = None  # a sentence, where it is not "ok"
    written: int = 0  # rows
    lost: int = 0  # rows that found no room, or could not be written
    waiting: int = 0  # rows
    images_lost: int = 0  # images that found no room; their rows were written


class LogWriter:
    """Takes rows from any thread and commits them about twice a second. A context: leaving it writes the rest."""

    def __init__(
        self,
        log: "PredictionLog",
        *,
        retention: Retention | None = None,
        waits_for_room: bool = False,
        most_waiting: int = MOST_WAITING,
        retry_seconds: float = RETRY_SECONDS,
        now: Callable[[], float] = time.time,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Store what the thread needs.

        Args:
            retention: of images; None: no image is kept, whatever is handed over.
            waits_for_room: `write` waits where too many rows do, as suits a program; a server's answers go on instead.
            most_waiting: rows; further ones are lost, and counted.
            retry_seconds: after a commit that failed.
            now: seconds since 1970, UTC.
        """
        self.retention = retention
        self._log, self._now, self._tell = log, now, tell
        self._waits, self._most, self._retry = waits_for_room, most_waiting, retry_seconds
        self._entries: deque[PendingAnswer] = deque()
        self._batch: list[tuple[LoggedPrediction, bytes | None]] = []  # made once: a second try has the same keys
        self._image_bytes = 0
        self._changed = threading.Condition()
        self._closes_at: float | None = None  # on the steady clock, once no more rows are taken
        self._state = WriterState()
        self._trimmed = float("-inf")
        self._thread = threading.Thread(target=self._run, name="vidi-prediction-log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what waits, if the log takes it within ten seconds."""
        with self._changed:
            self._closes_at = time.monotonic() + LAST_SECONDS
            self._changed.notify_all()
        self._thread.join(2 * LAST_SECONDS)

    def write(self, entries: Sequence[PendingAnswer]) -> None:
        """Hand rows over; they are on the disk about half a second later."""
        with self._changed:
            for entry in entries:
                while self._waits and len(self._entries) >= self._most and self._state.state == "ok":
                    self._changed.wait(COMMIT_SECONDS)
                if len(self._entries) >= self._most or self._closes_at is not None:
                    self._state.lost += 1
                    continue
                self._entries.append(self._within_bytes(entry))
                self._state.waiting += 1
            if len(self._entries) >= MOST_ROWS:
                self._changed.notify_all()

    def state(self) -> WriterState:
        """How the writer stands now."""
        with self._changed:
            return replace(self._state)

    def _within_bytes(self, entry: PendingAnswer) -> PendingAnswer:
        """The entry, without its image where no images are kept or too many wait."""
        if entry.image is None:
            return entry
        if self.retention is None:
            return PendingAnswer(make=entry.make)
        if self._image_bytes + len(entry.image) > MOST_IMAGE_BYTES:
            self._state.images_lost += 1
            return PendingAnswer(make=entry.make)
        self._image_bytes += len(entry.image)
        return entry

    def _run(self) -> None:
        """Commit what waits, again and again; what could not be written is tried again."""
        pause = COMMIT_SECONDS
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closes_at is not None or len(self._entries) >= MOST_ROWS, pause)
                closes_at = self._closes_at
            self._take()
            wrote = self._commit() if self._batch else True
            self._trim()
            pause = COMMIT_SECONDS if wrote else self._retry
            if closes_at is not None and self._is_over(closes_at, wrote=wrote):
                return

    def _is_over(self, closes_at: float, *, wrote: bool) -> bool:
        """Whether a writer that is being closed has written all, or no time is left; else it waits for the next try."""
        left = closes_at - time.monotonic()
        with self._changed:
            if wrote and not self._entries:
                return True
            if wrote or left > 0:
                self._changed.wait_for(lambda: False, 0 if wrote else min(self._retry, left))
                return False
            self._state.lost, self._state.waiting = self._state.lost + self._state.waiting, 0
            self._batch.clear()
            self._entries.clear()
            return True

    def _take(self) -> None:
        """Make rows of what waits, unless some that were made are still to be written."""
        if self._batch:
            return
        with self._changed:
            taken = [self._entries.popleft() for _ in range(min(MOST_ROWS, len(self._entries)))]
        made = [(self._made(entry), entry.image) for entry in taken]
        with self._changed:
            self._batch = [(row, image) for row, image in made if row is not None]
            lost = len(made) - len(self._batch)
            self._state.lost, self._state.waiting = self._state.lost + lost, self._state.waiting - lost

    def _made(self, entry: PendingAnswer) -> LoggedPrediction | None:
        """The row of an entry; None for one that cannot be made, which must not hold up all that follow."""
        try:
            return entry.make()
        except Exception as error:
            self._tell(f"an answer cannot be logged: {type(error).__name__}: {error}")
            return None

    def _commit(self) -> bool:
        """Write the batch; True where its rows need not wait any longer."""
        try:
            self._log.append([row for row, _ in self._batch])
            self._log.keep_images([(row.digest, image, row.at) for row, image in self._batch if image is not None])
        except LogUnavailableError as error:
            self._stand(error.trouble, error.cause)
            return False
        except Exception as error:  # no further try will write these rows either
            self._stand("lost", error.cause if isinstance(error, VidiError) else f"{type(error).__name__}: {error}")
            self._finish(written=False)
            return True
        self._finish(written=True)
        self._stand("ok", None)
        return True

    def _finish(self, *, written: bool) -> None:
        with self._changed:
            self._state.waiting -= len(self._batch)
            if written:
                self._state.written += len(self._batch)
            else:
                self._state.lost += len(self._batch)
            self._image_bytes -= sum(len(image) for _, image in self._batch if image is not None)
            self._batch = []
            self._changed.notify_all()

    def _stand(self, state: State, why: str | None) -> None:
        with self._changed:
            has_changed = state != self._state.state
            self._state.state, self._state.why = state, why
            self._changed.notify_all()
        if has_changed:
            self._tell(why or "the prediction log is written again")

    def _trim(self) -> None:
        """Delete images that are no longer to be kept, every ten seconds."""
        if self.retention is None or time.monotonic() < self._trimmed + TRIM_SECONDS:
            return
        self._trimmed = time.monotonic()
        try:
            self._log.trim_images(
                before=self._now() - self.retention.days * DAY, most_bytes=int(self.retention.megabytes * 1e6)
            )
        except LogUnavailableError as error:
            self._stand(error.trouble, error.cause)


class FeedbackWriter(Background[tuple[Feedback, "Future[Taken]"]]):
    """Commits feedback before anybody is thanked for it. A context: leaving it writes the rest."""

    def __init__(self, log: "PredictionLog") -> None:
        super().__init__(
            self._commit,
            name="vidi-feedback",
            most_waiting=FEEDBACK_WAITING,
            most_together=FEEDBACK_TOGETHER,
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
            cause = (
                error
                if isinstance(error, VidiError)
                else LogUnavailableError("lost", unexpected, "Look at the log's database.")
            )
            for _, future in together:
                future.set_exception(cause)
            return
        for (_, future), one in zip(together, taken, strict=True):
            future.set_result(one)
