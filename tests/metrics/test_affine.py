"""The affine step: found where it is known, simpler where that is as good, and the same in logits of any offset."""

import numpy as np
import pytest
from scipy.special import softmax

from tests.metrics.answers import honest_answers
from vidi.metrics.affine import NONE, fit_affine, fit_classes
from vidi.metrics.calibration import apply_temperature
from vidi.metrics.classification import log_losses


def mixed_answers(images: int, *, seed: int = 0):
    """Answers whose third class is called too often, at the second one's cost."""
    honest, labels = honest_answers(images=images, seed=seed)
    logits = np.log(honest)
    mixing = np.eye(honest.shape[1])
    mixing[2, 1] = 0.5
    return softmax(logits @ mixing.T + np.eye(honest.shape[1])[2], axis=1), labels, honest


def test_few_images_are_left_alone_and_it_is_said():
    fitted = fit_affine(*honest_answers(images=9))

    assert fitted.step == NONE
    assert fitted.log_losses == {}


def test_a_sharp_model_gets_a_temperature():
    honest, labels = honest_answers(images=500)

    fitted = fit_affine(apply_temperature(honest, 1 / 3), labels)

    assert fitted.step.method == "temperature"
    assert 1 / fitted.step.scale[0] == pytest.approx(3, rel=0.25)
    assert fitted.log_losses["temperature"] < fitted.log_losses["none"]


def test_an_honest_model_is_mostly_left_alone():
    methods = [fit_affine(*honest_answers(images=400, seed=seed)).step.method for seed in range(20)]

    assert sum(method in ("none", "temperature") for method in methods) >= 17


def test_what_only_more_numbers_mend_gets_them():
    crooked, labels, _ = mixed_answers(4_000)

    fitted = fit_affine(crooked, labels)

    assert fitted.step.method in ("vector", "matrix")
    others = mixed_answers(4_000, seed=1)
    mended = log_losses(fitted.step.apply(others[0]), others[1]).mean()
    tempered = log_losses(fit_affine(others[0][:100], others[1][:100]).step.apply(others[0]), others[1]).mean()
    assert log_losses(others[2], others[1]).mean() - 0.01 < mended < tempered


@pytest.mark.parametrize("mixing", [False, True])
def test_a_constant_on_every_logit_changes_nothing(mixing: bool):
    crooked, labels, _ = mixed_answers(600)
    step = fit_classes(crooked, labels, mixing=mixing)
    logits = np.log(crooked)

    np.testing.assert_allclose(step.scale.sum(axis=1), 0, atol=1e-9)
    moved = softmax((logits + 7) @ step.scale.T + step.shift, axis=1)
    np.testing.assert_allclose(step.apply(crooked), moved, atol=1e-9)


def test_answers_for_the_limits_come_from_steps_that_had_not_seen_the_image():
    sharp, labels = honest_answers(images=300)
    sharp = apply_temperature(sharp, 1 / 3)

    fitted = fit_affine(sharp, labels)

    own = fitted.step.apply(sharp)
    assert not np.array_equal(own, fitted.probabilities)
    np.testing.assert_allclose(own, fitted.probabilities, atol=0.1)
