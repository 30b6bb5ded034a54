"""Events of scores over time: exact small cases, and what holds for every source."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidi.errors import ShapeError, UsageError
from vidi.timeline.events import Event, EventRules
from vidi.timeline.timeline import Timeline

NOTHING = float("nan")  # the score of a frame that does not tell


def events_of(
    scores: list[float | None], *, rate: float = 5.0, rules: EventRules | None = None, start: int = 0
) -> list[Event]:
    """All events of one class, whose frames come at a steady rate."""
    timeline = Timeline(["person"], rules or EventRules(), run="run")
    found: list[Event] = []
    for number, score in enumerate(scores, start=start):
        found += timeline.add(number / rate, number, [NOTHING if score is None else score])
    return found + timeline.interrupt()


def said(events: list[Event]) -> list[tuple[str, str, float, float]]:
    return [(one.state, one.id, one.began, one.last_seen) for one in events]


def test_something_appears_and_leaves():
    events = events_of([0.1] * 10 + [0.9] * 15 + [0.1] * 10)

    assert said(events) == [("new", "run-1", 2.0, 2.6), ("end", "run-1", 2.0, 4.8)]
    assert events[-1].duration == pytest.approx(2.8)


def test_it_is_told_within_half_a_window_and_the_shortest_time():
    timeline = Timeline(["person"], EventRules(), run="run")
    told = [
        number
        for number in range(40)
        if any(one.state == "new" for one in timeline.add(number / 10, number, [float(number >= 20)]))
    ]

    assert told == [30]  # seen from 2.0 s on; 0.5 s for the shortest event, 0.5 s for the frames after it


def test_a_single_frame_is_no_event_and_a_missing_one_ends_none():
    assert events_of([0.1] * 10 + [0.9] + [0.1] * 10) == []
    assert len(events_of([0.9] * 10 + [0.1] + [0.9] * 10)) == 2


def test_between_the_thresholds_nothing_begins_and_nothing_ends():
    assert events_of([0.5] * 20) == []
    events = events_of([0.9] * 10 + [0.5] * 10)

    assert said(events)[-1] == ("end", "run-1", 0.0, pytest.approx(3.8))


def test_a_short_absence_is_none():
    rules = EventRules(window=0, absence=1.0)
    scores: list[float | None] = [0.9] * 10 + [0.0] * 4 + [0.9] * 10

    assert [one.state for one in events_of(scores, rules=rules)] == ["new", "end"]
    assert [one.state for one in events_of(scores, rules=EventRules(window=0, absence=0.5))] == ["new", "end"] * 2


def test_the_best_frame_is_the_one_with_the_highest_score():
    best = events_of([0.1] * 5 + [0.7, 0.8, 0.95, 0.8, 0.95, 0.7, 0.7] + [0.1] * 8)[-1].best

    assert (best.number, best.seconds, best.score) == (7, 1.4, 0.95)


def test_frames_that_do_not_tell_neither_begin_nor_end_anything():
    assert events_of([None] * 20) == []
    assert said(events_of([0.9] * 10 + [None] * 10 + [0.9] * 10))[-1] == ("end", "run-1", 0.0, 5.8)


def test_where_nothing_is_told_for_long_an_event_ends_at_the_last_frame_that_showed_it():
    events = events_of([0.9] * 10 + [None] * 100)

    assert [one.state for one in events] == ["new", "end"]
    assert events[-1].last_seen == pytest.approx(2.2)  # half a window after the last frame that told


def test_a_gap_ends_events_and_what_comes_after_is_another():
    timeline = Timeline(["person"], EventRules(), run="run")
    found = [event for number in range(20) for event in timeline.add(number / 10, number, [0.9])]
    found += [event for number in range(20) for event in timeline.add(60 + number / 10, 20 + number, [0.9])]
    found += timeline.interrupt()

    assert said(found) == [
        ("new", "run-1", 0.0, 0.5),
        ("end", "run-1", 0.0, 1.9),
        ("new", "run-2", 60.0, 60.5),
        ("end", "run-2", 60.0, 61.9),
    ]


def test_what_goes_on_is_told_again():
    events = events_of([0.9] * 5 * 25)

    assert [one.state for one in events] == ["new", "update", "update", "end"]


def test_a_slow_source_is_smoothed_over_three_frames():
    slow = EventRules(shortest=0.5)

    assert events_of([0.1] * 5 + [0.9] + [0.1] * 5, rate=0.5, rules=slow) == []
    assert said(events_of([0.1] * 5 + [0.9] * 3 + [0.1] * 5, rate=0.5, rules=slow))[-1] == ("end", "run-1", 10.0, 14.0)


def test_classes_do_not_disturb_each_other():
    timeline = Timeline(["cat", "dog"], EventRules(), run="run")
    found = [
        event
        for number in range(60)
        for event in timeline.add(number / 10, number, [float(10 <= number < 30), float(20 <= number < 50)])
    ]

    assert [(one.label, one.state, one.began) for one in found if one.state != "update"] == [
        ("cat", "new", 1.0),
        ("dog", "new", 2.0),
        ("cat", "end", 1.0),
        ("dog", "end", 2.0),
    ]


@pytest.mark.parametrize("changed", [{"start": 0.3}, {"end": 0.0}, {"start": 1.5}])
def test_rules_that_make_no_sense_are_refused(changed):
    with pytest.raises(UsageError):
        EventRules(**changed)


def test_frames_out_of_order_or_without_their_scores_are_refused():
    timeline = Timeline(["person"], EventRules(), run="run")
    timeline.add(1.0, 0, [0.5])

    with pytest.raises(ShapeError, match="not after"):
        timeline.add(1.0, 1, [0.5])
    with pytest.raises(ShapeError, match="for 1 classes"):
        timeline.add(2.0, 1, [0.5, 0.5])


steps = st.lists(
    st.tuples(st.integers(1, 3_000_000), st.one_of(st.none(), st.floats(0, 1))), min_size=1, max_size=80
)  # microseconds to the frame before, score


@given(steps)
def test_every_event_is_told_once_as_new_and_once_as_over_and_events_of_a_class_do_not_overlap(given_steps):
    timeline = Timeline(["person"], EventRules(update_every=1.0), run="run")
    found, time, frames = [], 0, []
    for number, (step, score) in enumerate(given_steps):
        time += step
        frames.append(time / 1e6)
        found += timeline.add(time / 1e6, number, [NOTHING if score is None else score])
        assert len(timeline.needed()) <= number + 1
    found += timeline.interrupt()

    for _, group in itertools.groupby(found, key=lambda one: one.id):
        states = [one.state for one in group]
        assert states[0] == "new"
        assert states[-1] == "end"
        assert set(states[1:-1]) <= {"update"}
    ends = [one for one in found if one.state == "end"]
    assert all(later.began > earlier.last_seen for earlier, later in itertools.pairwise(ends))
    assert all(one.duration >= timeline.rules.shortest for one in ends)
    for one in ends:
        assert frames[one.best.number] == pytest.approx(one.best.seconds)
        assert one.began <= one.best.seconds <= one.last_seen


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 20))
def test_the_best_frame_is_among_those_that_were_still_needed(scores, rate):
    timeline, kept = Timeline(["person"], EventRules(), run="run"), {}
    for number, score in enumerate(scores):
        kept[number] = score
        events = timeline.add(number / rate, number, np.array([score]))
        for event in events:
            assert kept[event.best.number] == event.best.score
        kept = {one: kept[one] for one in timeline.needed()}
    for event in timeline.interrupt():
        assert kept[event.best.number] == event.best.score
