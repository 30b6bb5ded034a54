"""Slots: a burst may wait, a lasting overload is turned away early."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from vidi.serving.engine.service import IDLE_SECONDS, OVERLOAD_SECONDS, Slots
from vidi.serving.problems import Problem


class Clock:
    """A clock that the test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def wait_for(event: asyncio.Event) -> str:
    await event.wait()
    return "done"


async def stays() -> Message:
    """Of a client who stays."""
    return await asyncio.get_running_loop().create_future()


async def leaves() -> Message:
    """Of a client who has gone."""
    return {"type": "http.disconnect"}


async def ends_by_itself(event: asyncio.Event) -> None:
    """Work that is cancelled and has begun something that nothing can stop."""
    try:
        await event.wait()
    except asyncio.CancelledError:
        await event.wait()
        raise


async def begin(slots: Slots, end: asyncio.Event) -> "asyncio.Task[str]":
    """A request whose work goes on until the event."""

    async def request() -> str:
        with slots.take() as slot:
            return await slot.within(60, wait_for(end), stays)

    task = asyncio.ensure_future(request())
    await asyncio.sleep(0)  # it takes its slot, or is turned away
    return task


async def answered(slots: Slots, *, burst: int) -> int:
    """How many requests that come at one moment are answered."""
    end = asyncio.Event()
    tasks = [await begin(slots, end) for _ in range(burst)]
    end.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return sum(result == "done" for result in results)


def test_a_burst_may_take_every_slot():
    async def scene() -> list[str]:
        slots, end = Slots(8, short=2), asyncio.Event()
        tasks = [await begin(slots, end) for _ in range(8)]
        end.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scene()) == ["done"] * 8


def test_once_requests_are_turned_away_few_may_wait_until_none_was_for_a_while():
    async def scene() -> list[int]:
        clock = Clock()
        slots = Slots(4, short=2, now=clock)
        assert await answered(slots, burst=5) == 4  # the fifth is turned away
        counts = [await answered(slots, burst=4)]
        for _ in range(4):  # it goes on, but nobody is turned away
            clock.seconds += OVERLOAD_SECONDS / 5
            counts.append(await answered(slots, burst=2))
        counts.append(await answered(slots, burst=4))  # too early
        for _ in range(6):
            clock.seconds += OVERLOAD_SECONDS / 5
            counts.append(await answered(slots, burst=2))
        return [*counts, await answered(slots, burst=4)]

    assert OVERLOAD_SECONDS / 5 < IDLE_SECONDS
    assert asyncio.run(scene()) == [2] + [2] * 4 + [2] + [2] * 6 + [4]


def test_requests_behind_others_of_their_connection_count():
    async def scene() -> list[int]:
        waiting, clock = 0, Clock()
        slots = Slots(8, short=2, waiting=lambda: waiting, now=clock)
        counts = [await answered(slots, burst=8)]
        waiting = 6
        counts.append(await answered(slots, burst=2))
        counts.append(await answered(slots, burst=3))  # the third is turned away
        counts.append(await answered(slots, burst=2))  # so many wait that one is enough
        waiting = 0
        counts.append(await answered(slots, burst=2))
        return counts

    assert asyncio.run(scene()) == [8, 2, 2, 1, 2]


def test_bursts_with_rests_between_them_are_no_overload():
    async def scene() -> list[int]:
        clock = Clock()
        slots = Slots(4, short=2, now=clock)
        assert await answered(slots, burst=5) == 4  # the fifth is turned away
        counts = [await answered(slots, burst=3)]
        for _ in range(2):
            clock.seconds += IDLE_SECONDS
            counts.append(await answered(slots, burst=3))
        return counts

    assert asyncio.run(scene()) == [2, 3, 3]


def test_a_request_whose_body_took_its_time_is_turned_away_where_the_short_queue_has_filled():
    async def scene() -> int:
        slots, end = Slots(3, short=1, now=Clock()), asyncio.Event()
        with slots.take() as slow:
            crowd = [await begin(slots, end) for _ in range(3)]  # the third is turned away
            with pytest.raises(Problem, match="under way"):
                await slow.within(60, wait_for(end), stays)
        end.set()
        await asyncio.gather(*crowd, return_exceptions=True)
        return slots.taken + slots.answering

    assert asyncio.run(scene()) == 0


@pytest.mark.parametrize(
    ("seconds", "receive", "error"), [(0.001, stays, Problem), (60, leaves, ClientDisconnect)], ids=["504", "gone"]
)
def test_a_slot_is_held_by_what_was_begun_for_a_request_that_nobody_waits_for_any_more(seconds, receive, error):
    async def scene() -> tuple[int, int]:
        slots, end = Slots(1), asyncio.Event()
        with pytest.raises(error), slots.take() as slot:
            await slot.within(seconds, ends_by_itself(end), receive)
        during = slots.taken
        end.set()
        while slots.taken:
            await asyncio.sleep(0)
        return during, slots.answering

    assert asyncio.run(scene()) == (1, 0)
