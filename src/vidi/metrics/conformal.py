"""Sets of candidates that hold the true class as often as was promised."""

import math

import numpy as np

from vidi.metrics.arrays import Counts, Floats, Labels, check_answers
from vidi.metrics.intervals import LEVEL, Interval

COVERAGE = 0.95  # how often the truth is among the candidates, unless the user says otherwise


def candidate_limit(
    probabilities: Floats, labels: Labels, *, coverage: float = COVERAGE, groups: Counts | None = None
) -> float | None:
    """The probability from which on a class is a candidate, so that the truth is one with at least this coverage.

    Split conformal prediction: a new image's truth ranks anywhere among those of the calibration images, each place
    equally likely. The candidates of an image are the classes at or above the limit.

    Args:
        probabilities: (batch, classes) float, of images that the model was not trained on.
        labels: (batch,) int; true class index.
        coverage: 0 to 1.
        groups: (batch,) int; images of one group stand or fall together, so the limit is drawn as from that many
            images as there are groups. Each image its own, where left out.

    Returns:
        The limit; None with fewer than `images_for_coverage(coverage)` images, or groups.

    Raises:
        ShapeError: the two arrays do not describe the same images.

    Source: Sadinle, Lei and Wasserman 2019, Least ambiguous set-valued classifiers with bounded error levels.

    >>> probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]])
    >>> candidate_limit(probabilities, np.array([0, 0, 0]), coverage=0.75)
    0.4
    """
    check_answers(probabilities, labels)
    of_truth = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    return limit_for_coverage(of_truth, coverage=coverage, groups=groups)


def limit_for_coverage(of_truth: Floats, *, coverage: float = COVERAGE, groups: Counts | None = None) -> float | None:
    """The probability that a new image's truth reaches with at least this coverage.

    Args:
        of_truth: (batch,) float, probability of the true class, or the lowest of several true classes, for images that
            were not used for training.
        coverage: 0 to 1.
        groups: (batch,) int; as of `candidate_limit`.

    Returns:
        The limit; None with fewer than `images_for_coverage(coverage)` images, or groups.

    >>> limit_for_coverage(np.array([0.9, 0.7, 0.4]), coverage=0.75)
    0.4
    """
    units = len(of_truth) if groups is None else len(np.unique(groups))
    if _rank(units, coverage) < 1:
        return None
    rank = math.floor(round((units + 1) * (1 - coverage) * len(of_truth) / units, 9))
    return float(np.partition(of_truth, rank - 1)[rank - 1])


def images_for_coverage(coverage: float) -> int:
    """How many calibration images the promise needs.

    >>> images_for_coverage(0.95)
    19
    """
    return math.ceil(round(1 / (1 - coverage), 9)) - 1


def coverage_band(calibration_count: int, test_count: int, *, coverage: float = COVERAGE) -> Interval:
    """Range of the coverage by chance alone, for given numbers of test and calibration images.

    It counts the classes at or above the limit alone; that the most probable class always belongs to them can only
    lift it, and so can ties.

    Args:
        calibration_count: images of which `candidate_limit` was taken; as many as it needs.
        test_count: images on which coverage is measured.
        coverage: as promised.

    Source: Angelopoulos and Bates 2023, Conformal prediction: a gentle introduction, appendix C: the number of
    covered images is beta-binomial.
    """
    from scipy.stats import betabinom

    rank = _rank(calibration_count, coverage)
    covered = betabinom(test_count, calibration_count + 1 - rank, rank)
    low, high = covered.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low) / test_count, high=float(high) / test_count)


def coverage_by_chance(covered: float, test_count: float, calibration_count: float, *, coverage: float) -> float:
    """How often a kept promise covers so few of the test images: a one-sided p-value; 1 without images.

    Args:
        covered: test images whose true class is a candidate.
        test_count: of so many; what images count that hang together may be less than a whole number.
        calibration_count: independent images of which `candidate_limit` was taken.
        coverage: as promised.

    Source: as of `coverage_band`.

    >>> round(coverage_by_chance(90, 100, 1_000, coverage=0.95), 4)
    0.0347
    """
    from scipy.stats import betabinom

    count, calibrated = int(test_count), int(calibration_count)
    rank = _rank(calibrated, coverage)
    if count < 1 or rank < 1:
        return 1.0
    missed = int(test_count - covered)  # rounded down: in favour of the promise
    return float(betabinom(count, rank, calibrated + 1 - rank).sf(missed - 1))


def _rank(count: int, coverage: float) -> int:
    """Which of the true classes' probabilities, from the smallest on, is the limit; 0 where there are too few."""
    return math.floor(round((count + 1) * (1 - coverage), 9))
