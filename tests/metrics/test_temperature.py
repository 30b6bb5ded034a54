"""Temperature: found where it is known."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tests.metrics.answers import honest_answers, made_answers
from vidi.metrics.calibration import apply_temperature, best_temperature
from vidi.metrics.classification import log_losses


@pytest.mark.parametrize("temperature", [0.5, 1.7, 3.0])
def test_known_temperature_is_found_again(temperature):
    honest, labels = honest_answers(images=20_000)
    distorted = apply_temperature(honest, 1 / temperature)

    assert best_temperature(distorted, labels) == pytest.approx(temperature, rel=0.04)


def test_best_temperature_agrees_with_a_search_over_log_loss():
    probabilities, labels = made_answers(images=5000)

    def penalised(temperature):
        loss = log_losses(apply_temperature(probabilities, temperature), labels).mean()
        return loss * len(labels) + 1 / temperature + np.log(temperature)

    found = minimize_scalar(penalised, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-8}).x

    assert best_temperature(probabilities, labels) == pytest.approx(found, rel=1e-4)
