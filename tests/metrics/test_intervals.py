"""Intervals: known values, honest edges, and how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from vidi.metrics.intervals import (
    Interval,
    area_interval,
    bootstrap_intervals,
    f1_interval,
    mean_interval,
    wilson_interval,
)


def mean_of(values):
    """The weighted mean of one value for each image, as a statistic to resample."""
    return lambda weights: np.array([weights @ values / weights.sum()])


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (1, 7), (37, 40), (40, 40), (940, 1000)])
def test_wilson_interval_agrees_with_scipy(hits, count):
    expected = binomtest(hits, count).proportion_ci(method="wilson")

    interval = wilson_interval(hits, count)

    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_no_error_among_forty_images_is_not_certainty():
    interval = wilson_interval(40, 40)

    assert interval.low == pytest.approx(0.9124, abs=1e-4)
    assert interval.high == 1.0


def test_no_images_give_no_interval():
    assert wilson_interval(0, 0) is None
    assert f1_interval(0, 0, 3) is None
    assert area_interval(0.5, 0, 3) is None
    assert mean_interval([None], [None]) is None


def test_f1_interval_holds_the_f1_and_follows_the_share_behind_it():
    hits, images, calls = 18, 20, 24
    f1 = 2 * hits / (images + calls)
    share = wilson_interval(hits, images + calls - hits)

    interval = f1_interval(hits, images, calls)

    assert interval.low < f1 < interval.high
    assert interval.low == pytest.approx(2 * share.low / (1 + share.low))


def test_mean_of_perfect_classes_keeps_a_lower_end_below_one():
    interval = mean_interval([1.0, 1.0], [wilson_interval(20, 20)] * 2)

    # By hand: 20 of 20 has a lower end of 0.8389; two such classes miss by 0.1611 / sqrt(2).
    assert interval == Interval(low=pytest.approx(1 - 0.1611 / 2**0.5, abs=1e-4), high=1.0)


def test_area_interval_holds_the_area_and_stays_honest_at_one():
    assert area_interval(1.0, 20, 20).high == pytest.approx(1.0)
    assert 0.8 < area_interval(1.0, 20, 20).low < 0.95
    assert area_interval(0.9, 50, 50).low < 0.9 < area_interval(0.9, 50, 50).high


def test_bootstrap_of_a_mean_is_as_wide_as_its_standard_error_says():
    values = np.random.default_rng(0).normal(size=400)

    (interval,) = bootstrap_intervals(mean_of(values), np.arange(400), random=np.random.default_rng(1))

    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_groups_of_ten_equal_images_widen_the_interval_by_the_root_of_ten():
    values = np.repeat(np.random.default_rng(0).normal(size=200), 10)

    (alone,) = bootstrap_intervals(mean_of(values), np.arange(2000), random=np.random.default_rng(1))
    (together,) = bootstrap_intervals(mean_of(values), np.arange(2000) // 10, random=np.random.default_rng(1))

    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(10**0.5, rel=0.15)


def test_one_group_gives_no_bootstrap():
    assert bootstrap_intervals(mean_of(np.ones(4)), np.zeros(4, int), random=np.random.default_rng(0)) is None


def test_statistic_without_data_gives_none_and_the_others_stay():
    intervals = bootstrap_intervals(
        lambda weights: np.array([np.nan, weights[0]]), np.arange(9), random=np.random.default_rng(0)
    )

    assert intervals[0] is None
    assert intervals[1].low == 0


def test_same_seed_gives_the_same_interval():
    values = np.arange(30.0)

    first, second = (
        bootstrap_intervals(mean_of(values), np.arange(30), random=np.random.default_rng(5)) for _ in range(2)
    )

    assert first == second


def test_wilson_interval_holds_the_truth_about_95_times_in_100():
    hits = np.random.default_rng(0).binomial(60, 0.93, 2000)

    held = [wilson_interval(count, 60).low <= 0.93 <= wilson_interval(count, 60).high for count in hits]

    assert 0.93 < np.mean(held) < 0.98
