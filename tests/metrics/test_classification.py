"""Precision, recall, F1, log loss and Brier: by hand, and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from tests.metrics.answers import made_answers
from vidi.errors import ShapeError
from vidi.metrics.classification import (
    brier_losses,
    class_scores,
    count_classes,
    count_confusion,
    log_losses,
    ranks_of_truth,
)


def test_scores_of_a_case_worked_by_hand():
    labels = np.array([0, 0, 0, 1, 1])
    predicted = np.array([0, 0, 1, 1, 0])

    counts = count_classes(predicted, labels, class_count=3)

    np.testing.assert_array_equal(class_scores(counts), [[2 / 3, 1 / 2, np.nan]] * 3)


def test_class_that_is_never_called_has_no_precision_and_an_f1_of_zero():
    counts = count_classes(np.array([0, 0]), np.array([0, 1]), class_count=2)

    np.testing.assert_array_equal(class_scores(counts)[1:], [[0.5, np.nan], [2 / 3, 0.0]])


def test_class_without_test_images_has_no_data_even_when_it_is_called():
    counts = count_classes(np.array([0, 1]), np.array([0, 0]), class_count=2)

    assert np.isnan(class_scores(counts)[:, 1]).all()


@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_scikit_learn(seed):
    probabilities, labels = made_answers(classes=5, skill=1.5, seed=seed)
    predicted = probabilities.argmax(axis=1)
    expected = reference.precision_recall_fscore_support(labels, predicted, labels=range(5))

    counts = count_classes(predicted, labels, class_count=5)

    np.testing.assert_allclose(class_scores(counts), [expected[1], expected[0], expected[2]])
    np.testing.assert_array_equal(
        count_confusion(predicted, labels, class_count=5), reference.confusion_matrix(labels, predicted)
    )


@pytest.mark.parametrize("seed", range(5))
def test_losses_and_top_k_agree_with_scikit_learn(seed):
    probabilities, labels = made_answers(classes=5, seed=seed)

    assert log_losses(probabilities, labels).mean() == pytest.approx(reference.log_loss(labels, probabilities))
    assert brier_losses(probabilities, labels).mean() == pytest.approx(
        reference.brier_score_loss(labels, probabilities, scale_by_half=False)
    )
    assert (ranks_of_truth(probabilities, labels) < 2).mean() == pytest.approx(
        reference.top_k_accuracy_score(labels, probabilities, k=2)
    )


def test_right_answer_has_rank_zero_also_when_classes_tie():
    probabilities = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.0, 0.5, 0.5]])

    ranks = ranks_of_truth(probabilities, np.array([0, 1, 0]))

    assert ranks.tolist() == [0, 1, 2]
    assert ((ranks == 0) == (probabilities.argmax(axis=1) == np.array([0, 1, 0]))).all()


def test_impossible_truth_has_a_large_but_finite_loss():
    assert log_losses(np.array([[1.0, 0.0]], dtype=np.float32), np.array([1])) == pytest.approx(87.34, abs=0.01)


def test_order_of_images_does_not_matter():
    probabilities, labels = made_answers()
    order = np.random.default_rng(1).permutation(len(labels))

    for losses in (log_losses, brier_losses):
        np.testing.assert_array_equal(losses(probabilities[order], labels[order]), losses(probabilities, labels)[order])


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.ones((2, 2)) / 2, np.array([0]), r"\(2, 2\) and labels \(1,\)"),
        (np.ones((1, 2)) / 2, np.array([2]), "labels run from 2 to 2, but there are 2 classes"),
        (np.array([[0.5, 0.5], [np.nan, 0.5]]), np.array([0, 0]), "image 1 are not all finite"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(probabilities, labels, message):
    with pytest.raises(ShapeError, match=message):
        log_losses(probabilities, labels)
