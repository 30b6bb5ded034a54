"""Items are taken in their order by another thread, whatever waits for what."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from vidi.background import Background


@given(st.lists(st.integers(), max_size=50), st.integers(1, 7), st.integers(1, 7))
def test_everything_that_was_accepted_is_taken_in_order(items, most_waiting, together):
    taken: list[int] = []
    sizes: list[int] = []

    def take(some):
        taken.extend(some)
        sizes.append(len(some))

    with Background[int](
        take, name="test", most_waiting=most_waiting, most_together=together, last_seconds=30
    ) as background:
        for item in items:
            assert background.put_patiently(item)

    assert taken == items
    assert all(1 <= size <= together for size in sizes)


def test_what_finds_no_room_is_not_accepted_and_nothing_is_after_the_end():
    goes_on, began = threading.Event(), threading.Event()
    taken: list[int] = []

    def take(some):
        began.set()
        goes_on.wait(20)
        taken.extend(some)

    with Background[int](take, name="test", most_waiting=2, most_together=1, last_seconds=30) as background:
        assert background.put(0)
        assert began.wait(20)
        assert [background.put(number) for number in (1, 2, 3)] == [True, True, False]
        goes_on.set()

    assert taken == [0, 1, 2]
    assert not background.put(4)
    assert not background.put_patiently(5)
