import numpy as np
import pytest

from vidi.errors import ShapeError
from vidi.metrics.paired import accuracy_difference


def test_only_images_about_which_the_two_disagree_move_the_difference():
    right = np.array([True] * 6 + [False] * 4)
    other = np.array([True] * 3 + [False] * 3 + [True] + [False] * 3)

    difference = accuracy_difference(right, other)

    assert (difference.gained, difference.lost, difference.image_count) == (3, 1, 10)
    assert difference.value == pytest.approx(0.2)
    assert difference.interval.low < 0.2 < difference.interval.high


def test_the_interval_is_that_of_the_published_formula():
    """Bonett and Price 2012: of 20 + 5 discordant among 100 pairs the interval is (21 - 6) / 102 -+ 1.96 * 0.0486."""
    right = np.array([True] * 20 + [False] * 5 + [True] * 75)
    other = np.array([False] * 20 + [True] * 5 + [True] * 75)

    interval = accuracy_difference(right, other).interval

    share = 15 / 102
    error = np.sqrt((27 / 102 - share**2) / 102)
    assert interval.low == pytest.approx(share - 1.959964 * error, abs=1e-6)
    assert interval.high == pytest.approx(share + 1.959964 * error, abs=1e-6)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        hard = random.random(80)
        right, other = hard < 0.85, (hard < 0.78) | (hard > 0.97)
        interval = accuracy_difference(right, other).interval
        hits += interval.low <= 0.85 - 0.81 <= interval.high
    assert 0.92 <= hits / 400 <= 0.995


def test_copies_of_images_do_not_make_the_difference_surer():
    random = np.random.default_rng(1)
    right, other = random.random(60) < 0.9, random.random(60) < 0.7
    alone = accuracy_difference(right, other)

    repeated = accuracy_difference(right.repeat(8), other.repeat(8), groups=np.arange(60).repeat(8))

    width = alone.interval.high - alone.interval.low
    assert repeated.interval.high - repeated.interval.low > 0.8 * width


def test_no_images_give_no_difference_and_unequal_counts_are_refused():
    assert accuracy_difference(np.zeros(0, bool), np.zeros(0, bool)) is None
    with pytest.raises(ShapeError):
        accuracy_difference(np.zeros(2, bool), np.zeros(3, bool))
