"""How fast bytes have to come or go: judged over windows, so that a fast beginning buys no endless rest."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """One window of time in which a minimum of bytes has to pass."""

    since: float  # seconds of the loop's clock
    count: int  # bytes that had passed then


def next_pace(pace: Pace, now: float, count: int, *, window: float, rate: float) -> Pace | None:
    """The window that holds now, or None where the bytes of a whole window were too few.

    Args:
        pace: the window until now.
        now: seconds of the loop's clock.
        count: bytes that have passed in all.
        window: its length in seconds.
        rate: bytes per second that have to pass, averaged over the window.

    >>> next_pace(Pace(0.0, 0), 9.0, 5, window=10, rate=1)
    Pace(since=0.0, count=0)
    >>> next_pace(Pace(0.0, 0), 10.0, 10, window=10, rate=1)
    Pace(since=10.0, count=10)
    >>> next_pace(Pace(0.0, 0), 10.0, 9, window=10, rate=1) is None
    True
    """
    if now - pace.since < window:
        return pace
    return Pace(now, count) if count - pace.count >= rate * (now - pace.since) else None
