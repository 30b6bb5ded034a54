"""ROC and precision-recall against scikit-learn, and their edges."""

import numpy as np
import pytest
from sklearn import metrics as reference

from vidi.errors import ShapeError
from vidi.metrics.ranking import area_under_roc, average_precision, precision_recall_curve, roc_curve, thinned


def scored(seed, *, digits):
    """Scores and truth of 150 images; few digits make ties."""
    random = np.random.default_rng(seed)
    is_positive = random.random(150) < 0.3
    return np.round(random.normal(size=150) + is_positive, digits), is_positive


@pytest.mark.parametrize("digits", [0, 1, 9])
@pytest.mark.parametrize("seed", range(3))
def test_areas_agree_with_scikit_learn_also_with_ties(seed, digits):
    scores, is_positive = scored(seed, digits=digits)

    assert area_under_roc(scores, is_positive) == pytest.approx(reference.roc_auc_score(is_positive, scores))
    assert average_precision(scores, is_positive) == pytest.approx(
        reference.average_precision_score(is_positive, scores)
    )


def test_curves_agree_with_scikit_learn():
    scores, is_positive = scored(0, digits=1)
    false_positive, true_positive, _ = reference.roc_curve(is_positive, scores, drop_intermediate=False)
    precision, recall, thresholds = reference.precision_recall_curve(is_positive, scores)

    roc, curve = roc_curve(scores, is_positive), precision_recall_curve(scores, is_positive)

    np.testing.assert_allclose(roc.false_positive_rate, false_positive)
    np.testing.assert_allclose(roc.true_positive_rate, true_positive)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1])
    np.testing.assert_allclose(curve.threshold[::-1], thresholds)


@pytest.mark.parametrize("truth", [np.zeros(4, bool), np.ones(4, bool), np.zeros(0, bool)])
def test_curve_that_needs_both_kinds_is_none_with_one(truth):
    scores = np.arange(float(len(truth)))

    assert roc_curve(scores, truth) is None
    assert area_under_roc(scores, truth) is None


def test_average_precision_needs_a_positive_image():
    assert average_precision(np.arange(3.0), np.zeros(3, bool)) is None
    assert average_precision(np.arange(3.0), np.ones(3, bool)) == 1.0


def test_scores_and_truth_of_different_images_are_refused():
    with pytest.raises(ShapeError, match="3 images and the other 2"):
        area_under_roc(np.arange(3.0), np.ones(2, bool))


def test_thinned_curve_keeps_its_ends():
    first, second = thinned(np.linspace(0, 1, 5001), np.linspace(0, 2, 5001), points=50)

    assert (len(first), first[0], first[-1], second[-1]) == (50, 0.0, 1.0, 2.0)
