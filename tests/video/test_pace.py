"""A decoder that is slower than its stream leaves pictures out, and never falls behind for long."""

import threading
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tests.video.draw import av, grey, write_video
from vidi.video.live import IN_TIME, VERY_LATE, DecodingPace, Patience, is_timed, watch_live
from vidi.video.opening import Opened

RATE, GROUP = 25, 25  # pictures a second, and from one whole picture to the next


def lags(cost: float, *, seconds: int = 120, cheap: float = 0.001) -> list[float]:
    """How far behind a decoder is at each picture that it decodes, whose pictures cost so many seconds each."""
    pace, now, found = DecodingPace(), 0.0, []
    for number in range(seconds * RATE):
        taken = number / RATE
        now = max(now, taken)
        is_key, is_reference = number % GROUP == 0, number % 2 == 0
        wanted = {"DEFAULT": True, "NONREF": is_reference, "NONKEY": is_key}[pace.skip]
        now += cost if wanted else cheap
        if wanted:
            found.append(now - taken)
            pace.note(now, taken)
    return found


def test_a_decoder_that_keeps_up_leaves_nothing_out():
    assert len(lags(0.03)) == 120 * RATE


def test_a_decoder_of_half_the_speed_stays_within_seconds():
    found = lags(0.08)

    assert max(found) < VERY_LATE + 1
    assert len(found) > 120 * RATE / 4


@given(st.floats(0.001, 0.9))
def test_however_slow_it_is_it_is_never_far_behind(cost):
    assert max(lags(cost, seconds=30)) < VERY_LATE + 2 * GROUP * cost + 1


@given(st.floats(-1e6, 1e6), st.floats(-50e-6, 50e-6))
def test_clocks_that_differ_or_drift_are_no_delay(offset, drift):
    pace = DecodingPace()

    assert {pace.note(offset + (1 + drift) * number / RATE, number / RATE) for number in range(5000)} == {"DEFAULT"}


def test_only_formats_with_the_senders_times_are_judged(tmp_path):
    write_video(tmp_path / "a.mp4", [grey(0)])
    with av.open(str(tmp_path / "a.mp4")) as timed:
        assert is_timed(cast(Any, Opened(timed, timed.streams.video[0])))
    assert not is_timed(cast(Any, Opened(cast(Any, object()), cast(Any, object()))))


def test_a_late_stream_is_decoded_by_whole_pictures_alone(tmp_path):
    """The clock jumps by a second with each look at it, so the decoder seems far too slow."""
    path = write_video(tmp_path / "a.mp4", [grey(number) for number in range(30)], keyframes=10)
    skipped: list[str] = []

    def connect(_: object) -> Opened:
        container = av.open(str(path))
        return Opened(container, container.streams.video[0])

    class Clock:
        now = 0.0

        def __call__(self) -> float:
            self.now += 1.0
            return self.now

    stop = threading.Event()
    original = DecodingPace.note

    def note(self: DecodingPace, arrived: float, taken: float) -> Any:
        skipped.append(original(self, arrived, taken))
        if len(skipped) > 5:
            stop.set()
        return skipped[-1]

    patience = Patience(open_seconds=1e9, read_seconds=1e9, retry_seconds=0.001)
    try:
        DecodingPace.note = note  # type: ignore[method-assign]
        for _ in watch_live(connect, stop, rate=None, patience=patience, clock=Clock()):
            pass
    finally:
        DecodingPace.note = original  # type: ignore[method-assign]

    assert "NONKEY" in skipped
    assert IN_TIME < VERY_LATE
