"""Timing in turns: who runs when, and what is counted."""

from itertools import count

from vidi.prediction.timing import take_turns


class Clock:
    """A clock that moves only when something runs."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_each_runs_in_every_round_for_its_time_and_the_first_run_counts_for_nothing():
    clock, order = Clock(), []

    def runs(name: str, seconds: float):
        def run():
            order.append(name)
            clock.now += seconds

        return run

    timed = take_turns({"quick": runs("quick", 0.25), "slow": runs("slow", 2.0)}, rounds=3, seconds=1.0, clock=clock)

    assert order[:2] == ["quick", "slow"]  # warms up
    assert order[2:] == 3 * [*["quick"] * 4, "slow"]
    assert [timed[name].rate for name in ("quick", "slow")] == [4, 0.5]
    assert [timed[name].seconds for name in ("quick", "slow")] == [12 * (0.25,), 3 * (2.0,)]


def test_a_round_that_was_disturbed_does_not_change_the_rate():
    clock, runs = Clock(), count()

    def run():
        clock.now += 50.0 if next(runs) == 2 else 1.0

    assert take_turns({"it": run}, rounds=5, seconds=1.0, clock=clock)["it"].rate == 1.0


def test_threads_run_side_by_side_and_all_of_them_count():
    done: list[int] = []
    timed = take_turns({"it": lambda: done.append(1)}, rounds=2, seconds=0.0, threads=3)
    assert len(timed["it"].seconds) == 6
    assert len(done) == 9
