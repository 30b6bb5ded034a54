"""Each class by itself: losses as scikit-learn has them, probabilities made honest, thresholds that balance."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from vidi.errors import ShapeError
from vidi.metrics.multi_label import (
    EVEN,
    LEAST_FOR_F1,
    binary_log_losses,
    check_targets,
    fit_sigmoid,
    logits_of,
    probability_of_all,
    tempered_binary_losses,
    threshold_for_f1,
    thresholds_for_f1,
)


def drawn(images: int = 2_000, *, sharpness: float = 1.0, shift: float = 0.0, seed: int = 0):
    """Answers whose true logits are `sharpness * logits + shift`."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(images, 3)) * 1.5
    targets = random.random((images, 3)) < 1 / (1 + np.exp(-(sharpness * logits + shift)))
    return 1 / (1 + np.exp(-logits)), targets


def test_the_loss_is_scikit_learns_of_each_class():
    probabilities, targets = drawn(100)

    losses = binary_log_losses(probabilities, targets)

    theirs = np.mean([log_loss(targets[:, c], probabilities[:, c]) for c in range(3)])
    assert losses.mean() == pytest.approx(theirs)


def test_what_is_certain_and_wrong_costs_much_but_not_all():
    losses = binary_log_losses(np.array([[1.0, 0.0]], np.float32), np.array([[False, True]]))

    assert np.isfinite(losses).all()


def test_scale_and_shift_are_found():
    probabilities, targets = drawn(4_000, sharpness=0.5, shift=1.0)

    fitted = fit_sigmoid(probabilities, targets)

    assert fitted.step.method == "sigmoid"
    np.testing.assert_allclose(fitted.step.scale, 0.5, atol=0.12)
    np.testing.assert_allclose(fitted.step.shift, 1.0, atol=0.12)
    assert fitted.log_losses["sigmoid"] < fitted.log_losses["none"]
    moved = logits_of(fitted.step.apply(probabilities))
    np.testing.assert_allclose(moved, logits_of(probabilities) * fitted.step.scale + fitted.step.shift, atol=1e-6)


def test_too_few_images_change_nothing():
    probabilities, targets = drawn(9)

    fitted = fit_sigmoid(probabilities, targets)

    assert (fitted.step.method, fitted.log_losses) == ("none", {})
    grouped = fit_sigmoid(*drawn(90), groups=np.arange(90) // 10)
    assert grouped.step.method == "none"


def test_a_class_that_no_image_shows_stays_finite():
    probabilities, targets = drawn(60)
    targets[:, 1] = False

    fitted = fit_sigmoid(probabilities, targets)

    assert np.isfinite(fitted.step.scale).all()
    assert np.isfinite(fitted.probabilities).all()


def test_the_loss_at_the_best_temperature_is_least_and_does_not_hang_on_the_temperature():
    probabilities, targets = drawn(500, sharpness=0.5)

    best = tempered_binary_losses(probabilities, targets).mean()

    logits = logits_of(probabilities)
    others = [binary_log_losses(1 / (1 + np.exp(-logits * b)), targets).mean() for b in np.linspace(0.1, 2, 39)]
    assert best == pytest.approx(min(others), abs=1e-3)
    sharper = 1 / (1 + np.exp(-3 * logits))
    assert tempered_binary_losses(sharper, targets).mean() == pytest.approx(best, abs=1e-3)


def test_all_of_an_answer_is_as_likely_as_its_parts_together():
    probabilities, _ = drawn(20)
    said = probabilities >= 0.5

    whole = probability_of_all(probabilities, said)

    pairs = zip(probabilities.tolist(), said.tolist(), strict=True)
    by_hand = [math.prod(p if s else 1 - p for p, s in zip(*pair, strict=True)) for pair in pairs]
    np.testing.assert_allclose(whole, by_hand)


def test_no_other_threshold_has_a_greater_f1_score():
    probabilities, targets = drawn(80)

    chosen = threshold_for_f1(probabilities[:, 0], targets[:, 0])

    scores = [f1_score(targets[:, 0], probabilities[:, 0] >= other) for other in probabilities[:, 0]]
    assert f1_score(targets[:, 0], probabilities[:, 0] >= chosen) == pytest.approx(max(scores))


def test_classes_of_few_images_share_a_threshold_chosen_on_all_of_them():
    probabilities, targets = drawn(300)
    targets[:, 1:] &= np.arange(300)[:, None] % 9 == 0  # a dozen or so of two classes

    first, second, third = thresholds_for_f1(probabilities, targets)

    assert first == threshold_for_f1(probabilities[:, 0], targets[:, 0])
    assert second == third == threshold_for_f1(probabilities[:, 1:].ravel(), targets[:, 1:].ravel()) != EVEN


def test_few_images_of_a_class_choose_no_threshold():
    scores = np.linspace(0, 1, 100)

    assert threshold_for_f1(scores, scores > 0.9) == EVEN
    assert threshold_for_f1(scores, np.arange(100) >= 100 - LEAST_FOR_F1) != EVEN


def test_arrays_of_different_shape_are_refused():
    probabilities, targets = drawn(10)

    with pytest.raises(ShapeError, match="targets"):
        check_targets(probabilities, targets[:, :2])
