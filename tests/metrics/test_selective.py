"""Sure answers: the bound is exact, the limit keeps its promise, and the curve is what its definition says."""

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.metrics.answers import honest_answers
from vidi.errors import ShapeError
from vidi.metrics.selective import (
    RANKINGS,
    error_bound,
    find_sure_limit,
    images_for_error,
    risk_coverage_curve,
    top_probability,
)


@pytest.mark.parametrize(("errors", "count"), [(0, 59), (3, 200), (50, 60), (7, 7)])
def test_the_bound_is_that_of_an_exact_test(errors, count):
    expected = binomtest(errors, count, alternative="less").proportion_ci(0.95, method="exact").high

    assert error_bound(errors, count) == pytest.approx(expected)


def test_fifty_nine_answers_without_an_error_are_enough_and_fifty_eight_are_not():
    assert images_for_error(0.05) == 59
    for count in (58, 59):
        found = find_sure_limit(np.linspace(0.5, 1, count), np.ones(count, bool))
        assert (found is not None) == (count == 59)


def test_the_limit_takes_in_as_many_answers_as_the_promise_bears():
    scores = np.linspace(1, 0, 1000)
    is_right = np.ones(1000, bool)
    is_right[600:] = False

    found = find_sure_limit(scores, is_right)

    assert 600 < found.image_count < 630
    assert found.errors == found.image_count - 600
    assert found.bound <= 0.05 < error_bound(40, 640)
    assert found.threshold == scores[found.image_count - 1]


def test_equal_scores_stand_or_fall_together():
    scores, is_right = np.full(100, 0.9), np.ones(100, bool)
    is_right[:50] = False

    assert find_sure_limit(scores, is_right) is None
    assert find_sure_limit(scores, np.ones(100, bool)).image_count == 100


def test_the_promise_is_kept_where_calibration_images_are_drawn_again_and_again():
    probabilities, labels = honest_answers(images=40_000, seed=3)
    is_right, scores = probabilities.argmax(axis=1) == labels, top_probability(probabilities)
    broken, random = 0, np.random.default_rng(0)
    for _ in range(200):
        drawn = random.choice(len(labels), 400, replace=False)
        found = find_sure_limit(scores[drawn], is_right[drawn], max_error=0.1)
        if found is not None:
            broken += (~is_right[scores >= found.threshold]).mean() > 0.1

    assert broken <= 18  # 5 % of 200, and what chance may add to it


def test_images_of_one_group_count_as_one():
    scores, is_right = np.linspace(0.5, 1, 120), np.ones(120, bool)

    assert find_sure_limit(scores, is_right, groups=np.arange(120)) == find_sure_limit(scores, is_right)
    assert find_sure_limit(scores, is_right, groups=np.arange(120) // 3) is None


def test_the_curve_is_the_share_of_errors_among_the_most_confident():
    random = np.random.default_rng(1)
    scores, is_right = random.random(50), random.random(50) < 0.7

    curve = risk_coverage_curve(scores, is_right)

    order = np.argsort(-scores)
    expected = [float((~is_right[order[:count]]).mean()) for count in range(1, 51)]
    np.testing.assert_allclose(curve.risk, expected)
    np.testing.assert_allclose(curve.coverage, np.arange(1, 51) / 50)
    assert risk_coverage_curve(scores[:0], is_right[:0]) is None


def test_the_curve_does_not_depend_on_the_order_of_equal_scores():
    scores = np.array([0.9, 0.5, 0.5, 0.5])
    first = risk_coverage_curve(scores, np.array([True, False, True, True]))
    second = risk_coverage_curve(scores, np.array([True, True, True, False]))

    np.testing.assert_array_equal(first.risk, second.risk)


@pytest.mark.parametrize("name", RANKINGS)
def test_every_ranking_puts_a_clear_answer_above_a_doubtful_one(name):
    clear, doubtful = RANKINGS[name](np.array([[0.98, 0.01, 0.01], [0.34, 0.33, 0.33]], np.float32))

    assert clear > doubtful


def test_arrays_of_different_images_are_refused():
    with pytest.raises(ShapeError):
        find_sure_limit(np.ones(3), np.ones(4, bool))
