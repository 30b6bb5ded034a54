"""Heads for several classes at once: scikit-learn's of each class, finite for absent ones, chosen without looking."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from vidi.training.heads import feature_spread
from vidi.training.one_vs_rest import KIND, choose_one_vs_rest, fit_one_vs_rest


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


def test_an_image_of_no_weight_is_not_learnt_from():
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


def test_the_choice_is_made_on_images_held_out():
    values, targets = clouds()

    chosen = choose_one_vs_rest(values, targets, fold_of=np.arange(150) % 5)

    assert chosen.best.kind == KIND
    assert chosen.best.log_loss == min(trial.log_loss for trial in chosen.trials)
    assert chosen.probabilities.shape == (150, 3)
    assert ((chosen.probabilities >= 0.5) == targets).mean() > 0.8
    noise = choose_one_vs_rest(values[:, 3:], targets, fold_of=np.arange(150) % 5)
    assert noise.best.strength > chosen.best.strength  # what tells nothing is held back
