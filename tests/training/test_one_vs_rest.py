"""Heads for several classes at once: scikit-learn's of each class, finite for absent ones, chosen without looking."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from vidi.training.heads.directions import feature_spread
from vidi.training.heads.linear import HeadTrial, fit_one_head
from vidi.training.heads.one_vs_rest import KIND, choose_one_vs_rest, fit_one_vs_rest

MULTINOMIAL = HeadTrial(kind="multinomial", strength=30.0, sharpness=1.0, log_loss=0.0, accuracy=0.0)


def clouds(count: int = 150, features: int = 8, *, seed: int = 0):
    random = np.random.default_rng(seed)
    values = random.standard_normal((count, features)).astype(np.float32)
    targets = values[:, :3] + 0.5 * random.standard_normal((count, 3)) > 0.3
    return values, targets


def test_each_class_is_scikit_learns():
    values, targets = clouds()

    head, _ = fit_one_vs_rest(values, targets, np.ones(150), [30.0, 10.0])

    standardised = (values - values.mean(axis=0)) / feature_spread(values)
    for c in range(3):
        theirs = LogisticRegression(C=1 / 30, max_iter=500, tol=1e-6).fit(standardised, targets[:, c])
        np.testing.assert_allclose(head.logits(values)[:, c], theirs.decision_function(standardised), atol=2e-2)


def test_an_image_of_no_weight_is_not_learned_from():
    values, targets = clouds()
    weights = np.where(np.arange(150) < 100, 1.0, 0.0)
    flipped = np.where(weights[:, None] > 0, targets, ~targets)

    (one,) = fit_one_vs_rest(values, targets, weights, [30.0])
    (other,) = fit_one_vs_rest(values, flipped, weights, [30.0])

    np.testing.assert_array_equal(one.weight, other.weight)


def test_a_class_that_no_image_shows_is_never_said():
    values, targets = clouds()
    targets[:, 1] = False

    (head,) = fit_one_vs_rest(values, targets, np.ones(150), [30.0])

    assert np.isfinite(head.weight).all()
    assert (head.logits(values)[:, 1] < -2).all()


def test_images_of_one_class_each_are_ranked_as_by_a_head_that_knows_of_one_class_each():
    random = np.random.default_rng(3)
    labels = np.arange(240) % 4
    values = (random.standard_normal((240, 12)) + 1.2 * np.eye(4, 12)[labels]).astype(np.float32)
    targets = np.eye(4, dtype=bool)[labels]
    learned, asked = slice(0, 160), slice(160, 240)

    several = fit_one_vs_rest(values[learned], targets[learned], np.ones(160), [30.0])[0].logits(values[asked])
    single = fit_one_head(values[learned], labels[learned], MULTINOMIAL, class_count=4).logits(values[asked])

    assert (several.argmax(axis=1) == single.argmax(axis=1)).mean() > 0.95
    for c in range(4):
        areas = [roc_auc_score(targets[asked, c], logits[:, c]) for logits in (several, single)]
        assert areas[0] == pytest.approx(areas[1], abs=0.03)


def test_the_choice_is_made_on_images_held_out():
    values, targets = clouds()

    chosen = choose_one_vs_rest(values, targets, fold_of=np.arange(150) % 5)

    assert chosen.best.kind == KIND
    assert chosen.best.log_loss == min(trial.log_loss for trial in chosen.trials)
    assert chosen.probabilities.shape == (150, 3)
    assert ((chosen.probabilities >= 0.5) == targets).mean() > 0.8
    noise = choose_one_vs_rest(values[:, 3:], targets, fold_of=np.arange(150) % 5)
    assert noise.best.strength > chosen.best.strength  # what tells nothing is held back
