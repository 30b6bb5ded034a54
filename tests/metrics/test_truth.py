"""What images show, one class or several: the same questions, each answered by the truth itself."""

import numpy as np
import pytest

from vidi.metrics.truth import OneClass, SeveralClasses

ANSWERS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
ONE = OneClass(labels=np.array([0, 2, -1]), class_count=3)
SEVERAL = SeveralClasses.of(np.array([[True, False, False], [True, True, False], [False, False, False]]))


def test_of_one_class_the_most_probable_must_be_it():
    assert ONE.correct(ANSWERS).tolist() == [True, False, False]
    np.testing.assert_allclose(ONE.at(np.array([0, 1])).log_losses(ANSWERS[:2]), -np.log([0.7, 0.1]))


def test_of_several_classes_each_must_be_on_its_side_of_one_half():
    assert SEVERAL.correct(ANSWERS).tolist() == [True, False, True]
    np.testing.assert_allclose(SEVERAL.log_losses(ANSWERS)[0], -np.log([0.7, 0.8, 0.9]).mean())


def test_what_is_shown_and_counted_leaves_foreign_images_out():
    assert ONE.shown.tolist() == [[True, False, False], [False, False, True], [False, False, False]]
    assert ONE.class_sizes.tolist() == [1, 0, 1]
    assert SEVERAL.class_sizes.tolist() == [2, 1, 0]


@pytest.mark.parametrize("truth", [ONE, SEVERAL], ids=["one", "several"])
def test_rows_are_taken_by_index_and_by_mask_and_keep_their_strata(truth):
    by_index, by_mask = truth.at(np.array([1, 2])), truth.at(np.array([False, True, True]))

    for part in (by_index, by_mask):
        assert len(part) == 2
        np.testing.assert_array_equal(part.shown, truth.shown[1:])
        np.testing.assert_array_equal(part.strata, truth.strata[1:])


def test_calibrated_log_losses_forgive_answers_that_state_too_much():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 400)
    honest = np.where(np.eye(3)[labels] > 0, 0.6, 0.2)
    honest[random.random(400) < 0.4] = [1 / 3] * 3
    loud = honest**4 / (honest**4).sum(axis=1, keepdims=True)
    truth = OneClass(labels=labels, class_count=3)

    soft, hard = (truth.calibrated_log_losses(each).mean() for each in (honest, loud))
    assert hard == pytest.approx(soft, abs=0.01)
    assert truth.log_losses(loud).mean() != pytest.approx(truth.log_losses(honest).mean(), abs=0.05)
