"""`--minutes`: one table says what fits, what comes after training gets its time, and where the time went is told."""

from dataclasses import replace

import numpy as np
import pytest
from tests.workflows.heard import Heard

from vidi.evaluation.answers import Answers
from vidi.evaluation.robustness import NotMeasured
from vidi.images.decode import DecodeJob
from vidi.machine import Deadline
from vidi.report.pages.run import time_rows
from vidi.workflows.evaluating.trust import measure_trust
from vidi.workflows.run.budget import (
    MUST_FOLLOW,
    OPTIONAL,
    SECONDS_FOR_FOLDS,
    TABLE,
    Budget,
    Stopwatch,
    after_training,
)


class Clock(Deadline):
    """A deadline on a clock that stands still."""

    def seconds_left(self) -> float:
        return self.at

    def earlier(self, seconds: float) -> "Clock":
        return Clock(self.at - seconds, self.seconds)


def budget(left: float, whole: float | None = None, *, free: float = 1.0) -> Budget:
    return Budget(Clock(left, whole or left), free_share=lambda: free)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_beside_other_work_training_ends_sooner(share: float):
    until = budget(60.0, free=share).training_until(fold_work=0.0)

    assert until is not None
    assert until.seconds == pytest.approx(max(0.95 * 60 - after_training() / share, 30.0))


def test_training_leaves_its_folds_their_time():
    alone, with_folds = (budget(60.0).training_until(fold_work=work) for work in (0.0, 1.0))

    assert with_folds is not None
    assert alone is not None
    assert with_folds.seconds * 2 < alone.seconds - TABLE["fold"].seconds


def test_without_minutes_nothing_is_left_out_and_nothing_ends():
    assert all(Budget().allows(stage, 10**6) for stage in OPTIONAL)
    assert Budget().training_until(fold_work=4.0) is None
    assert Budget().report_from() is None


@pytest.mark.parametrize("stage", OPTIONAL)
@pytest.mark.parametrize("free", [1.0, 0.3])
def test_an_optional_stage_is_allowed_while_it_and_all_that_follows_fit(stage: str, free: float):
    must = TABLE[stage].needs(200) + TABLE["labels"].needs(200) + after_training() + 200 * TABLE["test"].per_image

    assert budget(must / free + 0.1, free=free).allows(stage, 200)
    assert not budget(must / free - 0.1, free=free).allows(stage, 200)
    assert not budget(must / free + 0.1, free=free).allows(stage, 200, answers=3 / free)  # measured here


def test_before_reading_a_stage_has_the_room_that_all_others_leave():
    must = sum(TABLE[name].needs(200) for name in ("reading", "labels", *MUST_FOLLOW))

    assert budget(60.0, free=0.5).room_for("features", 200) == pytest.approx(30.0 - must)
    assert budget(60.0).room_for("robustness", 200) == pytest.approx(60.0 - must - TABLE["features"].needs(200))


def test_what_was_measured_fits_while_it_is_within_its_stages_share_of_the_time_left():
    budget = Budget(Deadline.after(100))

    assert budget.fits("features", 30)
    assert not budget.fits("features", 36)
    assert Budget().fits("features", 1e9)


def test_calibration_takes_fewer_trainings_where_there_are_only_minutes():
    assert [budget(seconds).fold_count() for seconds in (30.0, 240.0, SECONDS_FOR_FOLDS)] == [2, 2, 5]
    assert Budget().fold_count() == 5
    assert [budget(100.0, 600.0).fold_count(seconds=seconds) for seconds in (20.0, 21.0, 124.0, 126.0)] == [5, 2, 2, 1]


def test_robustness_leaves_time_for_the_report_and_says_where_there_is_none():
    heard = Heard()
    answers = Answers.of(
        ["a", "b"] * 20, ["1", "2"] * 20, truths=["a", "b"] * 20, probabilities=np.tile(np.eye(2), (20, 1))
    )
    until = budget(5.0, free=0.5).report_from()
    assert until is not None
    assert until.seconds_left() == 5.0 - 2 * TABLE["report"].seconds

    found = measure_trust(None, answers, None, DecodeJob(), seed=0, until=until, events=heard.events)

    assert found.robustness == NotMeasured("time")
    assert heard.sentences == [
        "robustness: skipped for lack of time; `vidi evaluate MODEL DATA --robustness` measures it"
    ]


def watch_after(seconds: float) -> Stopwatch:
    watch = Stopwatch(lambda: 0.0)
    watch.add("training", seconds)
    return watch


def test_robustness_gets_a_tenth_of_the_run_or_five_seconds_and_what_the_report_leaves():
    budgets = [Budget(watch=watch_after(seconds)) for seconds in (10.0, 45.0, 90.0)]

    assert [one.robustness_until().seconds for one in budgets] == [5.0, 5.0, 10.0]
    short = replace(budget(4.0), watch=watch_after(90.0))
    assert short.robustness_until().seconds_left() == 4.0 - TABLE["report"].seconds


def test_the_stages_of_a_run_take_together_the_whole_time():
    now = iter([0.0, 1.0, 4.0, 6.0, 10.0, 11.0])
    watch = Stopwatch(lambda: next(now), stage="reading")

    with watch.on("training"), watch.on("calibration"):
        pass

    watch.add("importing", 2.0)
    assert watch.seconds() == {"reading": 2.0, "training": 7.0, "calibration": 2.0, "importing": 2.0}


def test_where_the_time_went_is_a_table_whose_last_row_is_the_whole():
    assert time_rows({}) == []
    assert time_rows({"importing": 2.0, "reading": 5.0, "training": 0.01}) == [
        ("stage", "seconds", "share"),
        ("importing", "2.0", "29 %"),
        ("reading", "5.0", "71 %"),
        ("all", "7.0", "100 %"),
    ]
