"""What stands behind the routes of one app: models, engine, slots, counters and log."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from vidi.model_file.values import Json
from vidi.serving.engine.engine import AnswerEngine
from vidi.serving.engine.models import ModelTable
from vidi.serving.engine.recording import Recorder
from vidi.serving.engine.telemetry import RequestLog, ServerMetrics
from vidi.serving.problems import Problem
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.settings import Settings

Done = TypeVar("Done")

RETRY_SECONDS = "1"  # what a client that is turned away is told to wait
OVERLOAD_SECONDS = 2.0  # after the last request that was turned away
IDLE_SECONDS = 0.5  # without work: the crowd has gone; less than those that were turned away are asked to wait


class Slots:
    """The requests under way; a slot is held until no thread works for it. Used by the event loop's thread only.

    All slots may be taken by a burst, which then waits. Where requests are turned away, more come than can be
    answered: a long queue would then only delay every answer, so a short one is allowed until none is turned away for a
    while, or there is nothing left to do: bursts with rests between them are no overload.
    """

    def __init__(
        self,
        count: int,
        *,
        short: int | None = None,
        waiting: Callable[[], int] = lambda: 0,
        changed: Callable[[int], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            short: requests whose bodies are there, and which may wait or be answered while others are turned away;
                None: as many as there are slots.
            waiting: how many requests wait behind another one of their connection; they count as well.
            changed: receives how many are taken, whenever that changes.
            now: a clock, in seconds.
        """
        self.count = count
        self.short = count if short is None else min(short, count)
        self.taken = 0
        self.answering = 0
        self._waiting, self._changed, self._now = waiting, changed, now
        self._overloaded_until = float("-inf")
        self._idle_since = float("-inf")

    def take(self) -> "Slot":
        """A slot, to be used as a context.

        Raises:
            Problem: all are taken.
        """
        self.check(self.taken)
        self.change(+1)
        return Slot(self)

    def check(self, taken: int = 0) -> None:
        """Turn a request away where there is no room for it.

        Raises:
            Problem: there are as many as there may be.
        """
        now = self._now()
        if self.answering == 0 and now - self._idle_since >= IDLE_SECONDS:
            self._overloaded_until = float("-inf")
        waiting = self._waiting()
        if taken + waiting >= self.count:
            self._overloaded_until = now + OVERLOAD_SECONDS
        # A third of the short queue is left to those that have come to their turn, or threads would have nothing to do.
        queue = self.answering + min(waiting, 2 * self.short // 3)
        if taken < self.count and (now > self._overloaded_until or queue < self.short):
            return
        self._overloaded_until = now + OVERLOAD_SECONDS
        raise Problem(
            "busy",
            f"{self.taken + waiting} requests are under way, and more are not taken.",
            "Try again later.",
            headers={"Retry-After": RETRY_SECONDS},
        )

    def change(self, by: int) -> None:
        """Count one more or one less."""
        self.taken += by
        self._changed(self.taken)

    def begin_answer(self) -> None:
        """Count one whose body is there."""
        self.answering += 1

    def end_answer(self) -> None:
        """Count one less whose body is there."""
        self.answering -= 1
        self._idle_since = self._now()


class Slot:
    """One request's slot: free when the request has left it and all work done for it is over."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._holders = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    async def within(self, seconds: float, work: Coroutine[Any, Any, Done], receive: Receive) -> Done:
        """The result of some work for a request whose body has been read.

        When its time is over or its client has gone, the work is cancelled: what of it no thread has begun is dropped,
        and the rest keeps the slot until it ends.

        Raises:
            Problem: it took too long, or others are turned away and the short queue is full.
            ClientDisconnect: the client has gone.
        """
        try:
            self._slots.check()
        except Problem:
            work.close()
            raise
        task = asyncio.ensure_future(work)
        self._holders += 1
        self._slots.begin_answer()
        task.add_done_callback(self._ended)
        gone = asyncio.ensure_future(_wait_until_gone(receive))
        try:
            done, _ = await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            task.cancel()  # nothing happens to one that is done
        if task in done:
            return task.result()
        if gone in done:
            raise ClientDisconnect
        raise Problem("too-slow-answer", f"There was no answer within {seconds:g} s.", "Send fewer or smaller images.")

    def _ended(self, task: "asyncio.Future[Done]") -> None:
        self._slots.end_answer()
        if not task.cancelled():
            task.exception()  # it is taken here where nobody waits for it any more
        self._leave()

    def _leave(self) -> None:
        self._holders -= 1
        if self._holders == 0:
            self._slots.change(-1)


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


QUEUED = 3  # requests for each thread while others are turned away: one that it answers, two that wait


@dataclass(slots=True, kw_only=True)
class Service:
    """The parts of one app that its requests share."""

    models: ModelTable
    engine: AnswerEngine
    settings: Settings
    log: RequestLog
    lifecycle: Lifecycle = field(default_factory=Lifecycle)  # shared with the server
    recorder: Recorder | None = None  # None: no prediction is logged
    metrics: ServerMetrics = field(default_factory=ServerMetrics)
    slots: Slots = field(init=False)
    _starting: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        self.slots = Slots(
            self.settings.in_flight,
            short=QUEUED * self.engine.threads,
            waiting=lambda: self.lifecycle.waiting,
            changed=self.metrics.in_flight.set,
        )

    async def start(self) -> None:
        """Start what answers, once."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(asyncio.to_thread(self.engine.start))
        await asyncio.shield(self._starting)

    async def stand(self) -> None:
        """Refuse requests until everything stands; in an app that never started it, the first request does.

        Raises:
            Problem: it does not stand yet.
        """
        if self._starting is None:
            await self.start()
        elif not self._starting.done():
            raise Problem(
                "not-ready", "The workers do not stand yet.", "Try again in a second.", headers={"Retry-After": "1"}
            )
        else:
            self._starting.result()

    def readiness(self) -> tuple[bool, dict[str, Json]]:
        """Whether requests should be sent here, and the document that says why."""
        pool = self.engine.pool
        has_started = self._starting is not None and self._starting.done()
        reasons = [
            *(["stopping"] if self.lifecycle.is_stopping else []),
            *([] if has_started and pool.standing == pool.count else ["a decoding process does not stand"]),
        ]
        document: dict[str, Json] = {
            "ready": not reasons,
            "reasons": [*reasons],
            "models": [
                {
                    "name": one.name,
                    "version": one.version,
                    "id": one.model_id,
                    "refused_file": self.models.refusals.get(one.name),  # why a newer file was not taken
                }
                for one in self.models
            ],
            "workers": {"standing": pool.standing, "wanted": pool.count, "deaths": pool.deaths},
        }
        if self.recorder is not None:  # it stands against no request: answers go on without it
            document["log"] = asdict(self.recorder.writer.state())
        return not reasons, document

    def metrics_text(self) -> bytes:
        """All counters, as Prometheus reads them."""
        log = None if self.recorder is None else self.recorder.writer.state()
        return self.metrics.text(self.models, self.engine, log)
