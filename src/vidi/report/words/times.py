"""Where the time of a run went, as the rows of a table."""

from collections.abc import Mapping

from vidi.numbers import percent

SHORTEST = 0.05  # seconds; a stage that took less is not shown
HEAD = ("stage", "seconds", "share")


def time_rows(seconds: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """The head, each stage in its order with its seconds and share, and the whole; nothing where no time is known.

    >>> time_rows({"reading": 1.0, "training": 3.0})
    [('stage', 'seconds', 'share'), ('reading', '1.0', '25 %'), ('training', '3.0', '75 %'), ('all', '4.0', '100 %')]
    """
    whole = sum(seconds.values())
    rows = [(stage, f"{taken:.1f}", percent(taken / whole)) for stage, taken in seconds.items() if taken >= SHORTEST]
    return [HEAD, *rows, ("all", f"{whole:.1f}", percent(1.0))] if rows else []
