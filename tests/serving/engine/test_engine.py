"""Work in the engine's threads: its results, its errors, and its end."""

import asyncio
import threading
from functools import partial

import pytest

from vidi.images.workers.decode_pool import DecodePool
from vidi.serving.engine.engine import AnswerEngine


def engine_of(threads: int) -> AnswerEngine:
    return AnswerEngine(DecodePool(1), threads=threads)  # its pool is not started


def fail() -> None:
    raise ValueError("on purpose")


def test_work_is_done_in_a_thread_and_its_result_or_error_comes_back():
    async def scene() -> tuple[str, bool]:
        engine = engine_of(1)
        name = await engine.do(lambda: threading.current_thread().name)
        with pytest.raises(ValueError, match="on purpose"):
            await engine.do(fail)
        alone = engine.is_alone()
        engine.stop()
        return name, alone

    name, alone = asyncio.run(scene())
    assert name.startswith("vidi-answer")
    assert alone


def test_a_request_is_alone_only_while_no_other_is_under_way():
    async def scene() -> list[bool]:
        engine, go = engine_of(2), threading.Event()

        def work() -> bool:
            go.wait(10)
            return engine.is_alone()

        first = asyncio.ensure_future(engine.do(work))
        second = asyncio.ensure_future(engine.do(work))
        await asyncio.sleep(0)
        found = [engine.is_alone()]
        go.set()
        await asyncio.gather(first, second)
        found.append(await engine.do(engine.is_alone))
        engine.stop()
        return found

    assert asyncio.run(scene()) == [False, True]


def test_what_waits_when_the_engine_stops_is_cancelled_and_what_runs_ends_quietly():
    async def scene() -> list[object]:
        engine, go, began = engine_of(1), threading.Event(), threading.Event()

        def work() -> bool:
            began.set()
            return go.wait(10)

        tasks = [asyncio.ensure_future(engine.do(work)) for _ in range(2)]
        await asyncio.to_thread(began.wait, 10)
        engine.stop()
        go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in asyncio.run(scene())] == [asyncio.CancelledError] * 2


def together_while_busy(work, kinds: str, *, threads: int = 1) -> list[object]:
    """What comes of items that all wait until the one thread, which was busy, is free."""

    async def scene() -> list[object]:
        engine, go, began = engine_of(threads), threading.Event(), threading.Event()

        def busy() -> None:
            began.set()
            go.wait(10)

        first = asyncio.ensure_future(engine.do(busy))
        await asyncio.to_thread(began.wait, 10)
        items = enumerate(kinds)
        tasks = [asyncio.ensure_future(engine.do_together(kind, number, work, most=2)) for number, kind in items]
        await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await first
        engine.stop()
        return results

    return asyncio.run(scene())


def test_items_of_a_kind_are_worked_on_in_pairs_while_others_wait():
    calls: list[list[int]] = []

    def work(items: list[int]) -> list[int]:
        calls.append(list(items))
        return [10 * item for item in items]

    assert together_while_busy(work, "aaaba") == [0, 10, 20, 30, 40]
    assert calls == [[0, 1], [2], [3], [4]]  # other kinds go alone, and so does the last: no thread is left idle


def test_an_error_in_a_pair_costs_only_the_item_that_caused_it():
    def work(items: list[int]) -> list[int]:
        if 1 in items:
            raise ValueError("one")
        return items

    results = together_while_busy(work, "aaaa")

    assert [str(result) for result in results] == ["0", "one", "2", "3"]


def test_requests_have_their_turn_one_after_the_other():
    done: list[str] = []

    async def scene() -> None:
        engine, go, began = engine_of(1), threading.Event(), threading.Event()

        def busy() -> None:
            began.set()
            go.wait(10)

        async def request(name: str, pieces: int) -> None:
            await engine.do_each([partial(done.append, f"{name}{number}") for number in range(pieces)])

        first = asyncio.ensure_future(engine.do(busy))
        await asyncio.to_thread(began.wait, 10)
        others = [asyncio.ensure_future(request(*one)) for one in [("large", 4), ("small", 1), ("middle", 2)]]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *others)
        engine.stop()

    asyncio.run(scene())
    assert done == ["large0", "small0", "middle0", "large1", "middle1", "large2", "large3"]


def test_of_a_request_that_is_cancelled_what_is_not_begun_is_dropped_and_the_rest_waited_for():
    done: list[int] = []

    async def scene() -> bool:
        engine, go, began = engine_of(1), threading.Event(), threading.Event()

        def work(number: int) -> None:
            began.set()
            go.wait(10)
            done.append(number)

        task = asyncio.ensure_future(engine.do_each([partial(work, number) for number in range(16)]))
        await asyncio.to_thread(began.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        waits = not task.done()
        go.set()
        await asyncio.wait({task})
        await engine.do(partial(done.append, -1))
        engine.stop()
        return waits and task.cancelled()

    assert asyncio.run(scene())
    assert done == [0, -1]
