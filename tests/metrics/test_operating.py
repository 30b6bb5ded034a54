"""Thresholds keep their target as often as they promise, and say so where nothing can be promised."""

import numpy as np
import pytest
from scipy.stats import binomtest

from vidi.metrics.operating import (
    least_costly,
    threshold_for_false_alarms,
    threshold_for_precision,
    threshold_for_recall,
)
from vidi.metrics.selective import images_for_error


def drawn(random: np.random.Generator, *, positives: int, negatives: int):
    """Scores of which the true rates above a threshold are known: uniform on [0, 1] squared, and its root."""
    scores = np.concatenate([np.sqrt(random.random(positives)), random.random(negatives) ** 2])
    return scores, np.arange(positives + negatives) < positives


def test_a_promised_recall_is_missed_in_at_most_one_of_twenty_draws():
    random, broken, promised = np.random.default_rng(0), 0, 0
    for _ in range(400):
        scores, is_positive = drawn(random, positives=150, negatives=50)
        found = threshold_for_recall(scores, is_positive, recall=0.9)
        promised += found.is_promised
        broken += 1 - found.value**2 < 0.9  # the true share of the class above the threshold

    assert promised == 400
    assert binomtest(broken, 400, 0.05, alternative="greater").pvalue > 0.01
    assert broken > 4  # nor is it more careful than it says


def test_promised_false_alarms_are_exceeded_in_at_most_one_of_twenty_draws():
    random, broken = np.random.default_rng(1), 0
    for _ in range(400):
        scores, is_positive = drawn(random, positives=20, negatives=200)
        found = threshold_for_false_alarms(scores, is_positive, share=0.05)
        assert found.is_promised
        broken += 1 - np.sqrt(found.value) > 0.05

    assert binomtest(broken, 400, 0.05, alternative="greater").pvalue > 0.01


def test_a_promised_precision_is_missed_in_at_most_one_of_twenty_draws():
    random, broken, promised = np.random.default_rng(2), 0, 0
    for _ in range(300):
        scores = random.random(600)
        found = threshold_for_precision(scores, random.random(600) < scores, precision=0.8)
        promised += found.is_promised
        broken += found.is_promised and (1 + found.value) / 2 < 0.8  # the mean score above the threshold

    assert promised > 150
    assert binomtest(broken, promised, 0.05, alternative="greater").pvalue > 0.01


def test_the_bound_is_clopper_and_pearsons():
    scores, is_positive = drawn(np.random.default_rng(3), positives=100, negatives=100)

    found = threshold_for_recall(scores, is_positive, recall=0.9)

    hits = int((scores[is_positive] >= found.value).sum())
    interval = binomtest(hits, 100, alternative="greater").proportion_ci(0.95, method="exact")
    assert found.bound == pytest.approx(interval.low)
    assert found.bound >= 0.9
    one_more = binomtest(hits - 1, 100, alternative="greater").proportion_ci(0.95, method="exact")
    assert one_more.low < 0.9  # no higher threshold would do


@pytest.mark.parametrize("count", [images_for_error(0.01) - 1, images_for_error(0.01)])
def test_too_few_images_of_the_class_promise_nothing(count):
    scores = np.linspace(0.2, 1, count)

    found = threshold_for_recall(scores, np.ones(count, bool), recall=0.99)

    assert found.is_promised == (count == images_for_error(0.01))
    assert (scores >= found.value).mean() >= 0.99  # kept here all the same


def test_images_of_one_group_count_as_one():
    scores, is_positive = drawn(np.random.default_rng(4), positives=100, negatives=100)
    groups = np.arange(200) // 10

    assert threshold_for_recall(scores, is_positive, recall=0.9).is_promised
    assert not threshold_for_recall(scores, is_positive, recall=0.9, groups=groups).is_promised
    assert not threshold_for_false_alarms(scores, is_positive, share=0.1, groups=groups).is_promised


def test_equal_scores_stand_or_fall_together():
    scores = np.repeat([0.25, 0.75], 50)

    assert threshold_for_recall(scores, np.ones(100, bool), recall=0.6).value == 0.25
    lowest = threshold_for_false_alarms(scores, np.zeros(100, bool), share=0.4).value
    assert lowest > 0.75
    assert (scores >= lowest).sum() == 0


def test_where_even_the_best_scores_are_wrong_nothing_is_called_the_class():
    scores = np.linspace(0, 1, 50)

    assert threshold_for_precision(scores, np.zeros(50, bool), precision=0.9).value is None
    assert threshold_for_recall(scores, np.zeros(50, bool), recall=0.9).value is None
    assert threshold_for_false_alarms(np.ones(50), np.zeros(50, bool), share=0.1).value is None


def test_precision_without_a_promise_is_kept_on_these_images():
    scores = np.array([0.9, 0.8, 0.7, 0.6])

    found = threshold_for_precision(scores, np.array([True, True, False, False]), precision=0.9)

    assert (found.value, found.bound, found.is_promised) == (0.8, None, False)


def test_with_equal_costs_the_most_probable_class_is_cheapest():
    probabilities = np.random.default_rng(5).dirichlet(np.ones(4), 50)

    assert (least_costly(probabilities, 1 - np.eye(4)) == probabilities.argmax(axis=1)).all()
