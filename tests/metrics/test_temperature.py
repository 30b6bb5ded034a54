"""Temperature: found where it is known, and kept only where it helps."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tests.metrics.answers import honest_answers, made_answers
from vidi.metrics.classification import log_loss
from vidi.metrics.temperature import apply_temperature, best_temperature, fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.7, 3.0])
def test_known_temperature_is_found_again(temperature):
    honest, labels = honest_answers(images=20_000)
    distorted = apply_temperature(honest, 1 / temperature)

    assert best_temperature(distorted, labels) == pytest.approx(temperature, rel=0.04)


def test_best_temperature_agrees_with_a_search_over_log_loss():
    probabilities, labels = made_answers(images=5000)

    def penalised(temperature):
        loss = log_loss(apply_temperature(probabilities, temperature), labels)
        return loss * len(labels) + 1 / temperature + np.log(temperature)

    found = minimize_scalar(penalised, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-8}).x

    assert best_temperature(probabilities, labels) == pytest.approx(found, rel=1e-4)


def test_overconfident_model_is_softened_and_its_answers_stay():
    honest, labels = honest_answers(images=500)
    sharp = apply_temperature(honest, 1 / 3)

    fitted = fit_temperature(sharp, labels)

    assert fitted.is_kept
    assert fitted.log_loss_after < fitted.log_loss_before
    assert fitted.value == pytest.approx(3, rel=0.25)
    assert (apply_temperature(sharp, fitted.value).argmax(axis=1) == sharp.argmax(axis=1)).all()


def test_temperature_that_does_not_help_on_held_out_images_is_not_kept():
    kept = [fit_temperature(*honest_answers(images=60, seed=seed)).is_kept for seed in range(40)]

    # An honest model needs none: only where chance alone lowers the held-out loss is one kept.
    assert np.mean(kept) < 0.5


def test_temperature_that_is_not_kept_is_one_and_says_why():
    fitted = next(
        fitted
        for fitted in (fit_temperature(*honest_answers(images=60, seed=seed)) for seed in range(40))
        if not fitted.is_kept
    )

    assert fitted.value == 1.0
    assert fitted.sentence.startswith("a temperature does not help: log loss")


def test_few_images_without_an_error_do_not_make_the_model_certain():
    probabilities = np.full((20, 2), 0.02)
    probabilities[:, 0] = 0.98

    fitted = fit_temperature(probabilities, np.zeros(20, dtype=np.int64))

    assert apply_temperature(probabilities, fitted.value).max() < 0.999


def test_too_few_independent_images_are_not_fitted():
    probabilities, labels = made_answers(images=90)

    fitted = fit_temperature(probabilities, labels, groups=np.arange(90) // 10)

    assert (fitted.value, fitted.is_kept) == (1.0, False)
    assert "9 independent calibration images, at least 10 are needed" in fitted.sentence


def test_no_calibration_images_leave_the_model_as_it_is():
    fitted = fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=np.int64))

    assert (fitted.value, fitted.is_kept, fitted.log_loss_before) == (1.0, False, None)


def test_probabilities_that_underflowed_to_zero_stay_finite():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]] * 20, dtype=np.float32)

    fitted = fit_temperature(probabilities, np.array([0, 0] * 20))

    assert np.isfinite(fitted.value)
    assert np.isfinite(apply_temperature(probabilities, fitted.value)).all()
