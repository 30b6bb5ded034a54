"""Threads get their turns in the order in which they asked, and none waits for ever."""

import threading

import pytest

from vidi.log.records import LogUnavailableError
from vidi.log.store import FairLock


def test_whoever_asked_first_goes_first_however_busy_another_is():
    turns, order, asked = FairLock(), [], threading.Event()

    def other() -> None:
        asked.set()
        with turns.taken(seconds=30):
            order.append("other")

    thread = threading.Thread(target=other)
    with turns.taken(seconds=1):
        thread.start()
        asked.wait(30)
        while len(turns._line) < 2:
            threading.Event().wait(0.001)
    for _ in range(3):
        with turns.taken(seconds=30):
            order.append("busy")
    thread.join()

    assert order == ["other", "busy", "busy", "busy"]


def test_a_turn_that_does_not_come_is_given_up_and_holds_up_nobody():
    turns, holds, ends = FairLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with turns.taken(seconds=1):
            holds.set()
            ends.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait(30)

    with pytest.raises(LogUnavailableError), turns.taken(seconds=0.01):
        pass
    ends.set()
    thread.join()
    with turns.taken(seconds=1):
        pass


def test_a_turn_ends_with_an_error_too():
    turns = FairLock()

    with pytest.raises(ValueError, match="wrong"), turns.taken(seconds=1):
        raise ValueError("wrong")
    with turns.taken(seconds=1):
        pass
