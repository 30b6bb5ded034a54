"""How fast several things run beside one another: each for a moment, in turn, round after round."""

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

Clock = Callable[[], float]  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often something ran, and how long each run took."""

    rate: float  # runs per second, of all threads together: the median of the rounds
    seconds: tuple[float, ...]  # of each run of each thread


def take_turns(
    runs: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float,
    threads: int = 1,
    clock: Clock = time.perf_counter,
    turn: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Run each for a moment, several times in turn. Before that each runs once in every thread, which is not counted.

    Args:
        rounds: of all of them.
        seconds: that each runs in each round, at least once.
        threads: that run it side by side; 1: the calling thread.
        clock: that the rate and each run are measured by.
        turn: is called after each turn, for progress or to end.

    >>> list(take_turns({"nothing": lambda: None}, rounds=2, seconds=0.001))
    ['nothing']
    """
    rates: dict[str, list[float]] = {name: [] for name in runs}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    with ThreadPoolExecutor(threads, thread_name_prefix="vidi-timed") as pool:

        def once(run: Callable[[], object], length: float) -> list[list[float]]:
            if threads == 1:
                return [_repeat(run, length, clock)]
            return list(pool.map(_repeat, [run] * threads, [length] * threads, [clock] * threads))

        for run in runs.values():
            once(run, 0.0)
        for _ in range(rounds):
            for name, run in runs.items():
                begun = clock()
                lengths = [one for thread in once(run, seconds) for one in thread]
                rates[name].append(len(lengths) / (clock() - begun))
                taken[name] += lengths
                turn()
    return {name: Timing(rate=statistics.median(rates[name]), seconds=tuple(taken[name])) for name in runs}


def _repeat(run: Callable[[], object], seconds: float, clock: Clock) -> list[float]:
    """Run it for so long, at least once: how long each run took."""
    lengths: list[float] = []
    begun = last = clock()
    while not lengths or last - begun < seconds:
        run()
        now = clock()
        lengths.append(now - last)
        last = now
    return lengths
