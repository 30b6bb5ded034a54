import math

import numpy as np
import pytest

from vidi.errors import ShapeError
from vidi.metrics.paired import compare_paired, images_needed, paired_interval, sign_test


def answers(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = [True] * both + [True] * only_first + [False] * only_second + [False] * neither
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize("losses", [0, 1, 3, 7])
@pytest.mark.parametrize("wins", [0, 2, 7, 12])
def test_the_sign_test_is_the_exact_binomial_test(losses: int, wins: int):
    from scipy.stats import binomtest

    expected = binomtest(wins, losses + wins).pvalue if losses + wins else 1.0

    assert sign_test(losses, wins) == pytest.approx(expected)


def test_the_sign_test_takes_thousands_of_images():
    assert sign_test(2_000, 2_200) == pytest.approx(0.0021, abs=2e-4)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [  # Newcombe 1998, table IV: intervals by method 10 for his examples
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.0562, 0.3290),
    ],
)
def test_the_interval_is_newcombes(counts: tuple[int, int, int, int], low: float, high: float):
    both, only_first, only_second, neither = counts

    interval = paired_interval(both, only_second, only_first, neither)

    assert (interval.low, interval.high) == (pytest.approx(low, abs=2e-3), pytest.approx(high, abs=2e-3))


def test_about_nineteen_of_twenty_intervals_hold_the_true_difference():
    random = np.random.default_rng(3)
    chances = [0.55, 0.1, 0.2, 0.15]  # both, only first, only second, neither: truly 0.1

    intervals = [paired_interval(*random.multinomial(150, chances).tolist()) for _ in range(1000)]

    assert 0.93 <= np.mean([one.low <= 0.1 <= one.high for one in intervals]) <= 0.98


def test_a_clear_gain_is_shown_and_its_mirror_is_a_loss():
    first, second = answers(both=60, only_first=5, only_second=25, neither=10)

    gain, loss = compare_paired(first, second), compare_paired(second, first)

    assert gain is not None
    assert loss is not None
    assert (gain.verdict, loss.verdict) == ("better", "worse")
    assert gain.difference == -loss.difference == pytest.approx(0.2)
    assert gain.interval.low == pytest.approx(-loss.interval.high)
    assert (gain.first_accuracy, gain.second_accuracy) == (0.65, 0.85)


def test_equal_answers_show_nothing_and_need_no_number_of_images():
    first, second = answers(both=10, only_first=0, only_second=0, neither=5)

    compared = compare_paired(first, second)

    assert compared is not None
    assert (compared.verdict, compared.p_value, compared.difference) == ("not shown", 1.0, 0.0)
    assert images_needed(compared) is None


def test_one_group_counts_once_however_many_images_it_has():
    first, second = answers(both=20, only_first=0, only_second=12, neither=8)
    alone, together = np.arange(40), np.concatenate([np.arange(20), np.full(12, 99), np.arange(100, 108)])

    independent = compare_paired(first, second, groups=alone)
    grouped = compare_paired(first, second, groups=together)

    assert independent is not None
    assert grouped is not None
    assert independent.verdict == "better"
    assert (grouped.verdict, grouped.group_count, grouped.p_value) == ("not shown", 29, 1.0)
    assert grouped.interval.low <= independent.interval.low


def test_two_that_differ_by_chance_alone_are_called_better_in_at_most_a_fortieth_of_the_cases():
    random = np.random.default_rng(5)

    verdicts = []
    for _ in range(400):
        right = random.random((2, 120)) < 0.7
        compared = compare_paired(right[0], right[1])
        verdicts.append(compared.verdict if compared else "")

    assert verdicts.count("better") <= 400 * 0.025 + 3 * math.sqrt(400 * 0.025)


def test_the_number_of_images_needed_shrinks_with_the_gain():
    small, large = (compare_paired(*answers(50, 10, wins, 20)) for wins in (12, 25))

    assert small is not None
    assert large is not None
    assert (images_needed(small) or 0) > 10 * (images_needed(large) or 0) > 0


def test_nothing_is_said_without_images_and_other_lengths_are_refused():
    assert compare_paired(np.array([], bool), np.array([], bool)) is None
    with pytest.raises(ShapeError, match="2 images and the other 3"):
        compare_paired(np.array([True, True]), np.array([True, True, False]))
