import pytest

from vidi.training.loop.schedule import Plan, rate_share


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(schedule):
    shares = [rate_share(step / 100, schedule, warm_up=0.25) for step in range(101)]

    assert max(shares) == shares[25] == 1.0
    assert shares[:26] == sorted(shares[:26])
    assert shares[25:] == sorted(shares[25:], reverse=True)
    assert shares[-1] == pytest.approx(0)


def test_the_rate_can_stay():
    assert {rate_share(step / 10, "constant", warm_up=0) for step in range(11)} == {1.0}


@pytest.mark.parametrize("steps", [30, 60, 200])
def test_a_bent_plan_goes_on_where_it_was_and_still_ends(steps):
    plan = Plan(steps=100)

    bent = plan.bent_to(steps, at=25)

    assert bent.progress(25) == plan.progress(25)
    assert bent.progress(steps) == 1.0
    progress = [bent.progress(step) for step in range(25, steps + 1)]
    assert progress == sorted(progress)


def test_a_plan_bent_to_the_past_ends_now():
    assert Plan(steps=100).bent_to(10, at=25) == Plan(steps=25, from_step=25, from_progress=0.25)
