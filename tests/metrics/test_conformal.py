"""Candidates: never empty, and they hold the truth as often as was promised."""

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from scipy.stats import betabinom
from sklearn.base import BaseEstimator, ClassifierMixin

from tests.metrics.answers import honest_answers
from vidi.metrics.conformal import (
    candidate_limit,
    coverage_band,
    images_for_coverage,
)
from vidi.model_file.decisions import find_all_candidates


def test_nineteen_images_are_enough_for_ninety_five_percent():
    probabilities, labels = honest_answers(images=19)

    assert images_for_coverage(0.95) == 19
    assert candidate_limit(probabilities, labels) == np.take_along_axis(probabilities, labels[:, None], 1).min()
    assert candidate_limit(probabilities[:18], labels[:18]) is None


def find_candidates(probabilities: np.ndarray, limit: float) -> np.ndarray:
    """The classes at or above the limit, and always the most probable one."""
    called = np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(axis=1)]
    return find_all_candidates(probabilities, limit, called)


def test_the_limit_is_the_rank_that_the_theorem_names():
    probabilities, labels = honest_answers(images=199)
    of_truth = np.sort(np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0])

    assert candidate_limit(probabilities, labels, coverage=0.9) == of_truth[19]  # the 20th of 200 places


def test_there_is_always_a_candidate_and_the_answer_is_one():
    probabilities, _ = honest_answers(images=300)

    candidates = find_candidates(probabilities, limit=np.inf)

    np.testing.assert_array_equal(candidates.sum(axis=1), 1)
    np.testing.assert_array_equal(candidates.argmax(axis=1), probabilities.argmax(axis=1))


def test_coverage_over_many_splits_is_what_was_promised():
    probabilities, labels = honest_answers(images=20_000, seed=5)
    random, coverages, low = np.random.default_rng(0), [], 0
    band = coverage_band(300, 1000)
    for _ in range(200):
        drawn = random.permutation(len(labels))
        calibration, test = drawn[:300], drawn[300:1300]
        limit = candidate_limit(probabilities[calibration], labels[calibration])
        coverages.append(find_candidates(probabilities[test], limit)[np.arange(len(test)), labels[test]].mean())
        low += coverages[-1] < band.low

    assert 0.948 <= np.mean(coverages) <= 0.965
    assert low <= 11  # 2.5 % of 200, and what chance may add to it


class Oracle(ClassifierMixin, BaseEstimator):
    """A model whose images are its own answers."""

    classes_ = np.arange(3)

    def fit(self, X, y):  # noqa: N803
        return self

    def predict_proba(self, X):  # noqa: N803
        return X

    def predict(self, X):  # noqa: N803
        return X.argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_candidates_are_those_of_mapie(coverage):
    probabilities, labels = honest_answers(images=400, seed=2)
    others, _ = honest_answers(images=300, seed=3)
    theirs = SplitConformalClassifier(Oracle(), confidence_level=coverage, conformity_score="lac", prefit=True)
    theirs.conformalize(probabilities, labels)

    expected = theirs.predict_set(others)[1][:, :, 0]

    limit = candidate_limit(probabilities, labels, coverage=coverage)
    ours = find_candidates(others, limit)
    expected[np.arange(300), others.argmax(axis=1)] = True  # ours are never empty
    np.testing.assert_array_equal(ours, expected)


def test_the_band_is_beta_binomial():
    drawn = betabinom(1000, 286, 15).ppf([0.025, 0.975]) / 1000  # 301 places, 15 of them below the limit

    band = coverage_band(300, 1000)

    assert (band.low, band.high) == pytest.approx(tuple(drawn))


def test_groups_count_as_so_many_images():
    probabilities, labels = honest_answers(images=60)

    assert candidate_limit(probabilities, labels, groups=np.arange(60)) == candidate_limit(probabilities, labels)
    assert candidate_limit(probabilities, labels, groups=np.arange(60) // 4) is None
    alike = candidate_limit(probabilities, labels, groups=np.arange(60) // 3)
    assert alike <= candidate_limit(probabilities, labels)
