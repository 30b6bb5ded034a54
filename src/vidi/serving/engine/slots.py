"""Slots: how many requests may be under way at once. A slot is held until its work is over, answered or not."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from vidi.serving.problems import Problem

Done = TypeVar("Done")

RETRY_SECONDS = "1"  # what a client that is turned away is told to wait


class Slots:
    """The requests under way. Used by the event loop's thread only."""

    def __init__(self, count: int, *, changed: Callable[[int], None] = lambda _: None) -> None:
        """
        Args:
            count: how many there are.
            changed: receives how many are taken, whenever that changes.
        """
        self.count = count
        self.taken = 0
        self._changed = changed

    def take(self) -> "Slot":
        """A slot, to be used as a context.

        Raises:
            Problem: all are taken.
        """
        if self.taken >= self.count:
            raise Problem(
                "busy",
                f"{self.taken} requests are under way, and more are not taken.",
                "Try again later.",
                headers={"Retry-After": RETRY_SECONDS},
            )
        self.change(+1)
        return Slot(self)

    def change(self, by: int) -> None:
        """Count one more or one less."""
        self.taken += by
        self._changed(self.taken)


class Slot:
    """One request's slot: free when the request has left it and all work done for it is over."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._holders = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    async def within(self, seconds: float, work: Awaitable[Done]) -> Done:
        """The result of some work; after so many seconds nobody waits for it, but it keeps the slot until it ends.

        Raises:
            Problem: it took too long.
        """
        task = asyncio.ensure_future(work)
        self._holders += 1
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            raise Problem(
                "too-slow-answer", f"There was no answer within {seconds:g} s.", "Send fewer or smaller images."
            )
        return task.result()

    def _ended(self, task: "asyncio.Future[Done]") -> None:
        if not task.cancelled():
            task.exception()  # it is taken here where nobody waits for it any more
        self._leave()

    def _leave(self) -> None:
        self._holders -= 1
        if self._holders == 0:
            self._slots.change(-1)
