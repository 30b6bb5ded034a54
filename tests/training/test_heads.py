"""Linear heads: exact where there is a closed form, equal to scikit-learn's, and chosen without looking."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge

from vidi.training.heads import directions
from vidi.training.heads.directions import Covariance, feature_spread
from vidi.training.heads.linear import (
    HEADS,
    Examples,
    HeadTrial,
    choose_head,
    fit_one_head,
    gaussian,
    multinomial,
    ridge,
)


def clouds(count: int = 120, classes: int = 3, features: int = 8, *, apart: float = 1.5, seed: int = 0):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = random.standard_normal((classes, features)) * apart
    values = centres[labels] + random.standard_normal((count, features))
    return values.astype(np.float32), labels.astype(np.int64)


def folds(count: int, number: int = 5) -> np.ndarray:
    return np.arange(count) // 3 % number


ONES = np.ones(120)


def trial_of(kind: str, strength: float) -> HeadTrial:
    return HeadTrial(kind=kind, strength=strength, sharpness=1.0, log_loss=0.0, accuracy=0.0)


def test_the_multinomial_head_is_scikit_learns():
    values, labels = clouds()

    (head,) = multinomial(Examples(values, labels, ONES, 3), [10.0])

    theirs = LogisticRegression(C=0.1, max_iter=500, tol=1e-3).fit(values, labels)
    np.testing.assert_allclose(head.logits(values), theirs.decision_function(values), atol=1e-4)


def test_where_features_outnumber_images_the_multinomial_head_is_scikit_learns_still():
    values, labels = clouds(count=30, features=200)

    (head,) = multinomial(Examples(values, labels, ONES[:30], 3), [3.0])

    theirs = LogisticRegression(C=1 / 3, max_iter=500, tol=1e-3).fit(values, labels)
    np.testing.assert_allclose(head.logits(values), theirs.decision_function(values), atol=0.1)


def test_two_classes_get_logits_whose_softmax_is_scikit_learns_probability():
    values, labels = clouds(classes=2)

    (head,) = multinomial(Examples(values, labels, ONES, 2), [10.0])

    theirs = LogisticRegression(C=0.1, max_iter=500, tol=1e-3).fit(values, labels).predict_proba(values)
    powers = np.exp(head.logits(values))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), theirs, atol=1e-4)


def test_ridge_is_least_squares_with_a_penalty():
    values, labels = clouds()
    spread = np.linalg.eigvalsh(np.cov(values.T, bias=True)).mean()

    (head,) = ridge(Examples(values.astype(np.float64), labels, ONES, 3), [0.3])

    theirs = Ridge(alpha=0.3 * spread * len(values)).fit(values.astype(np.float64), np.eye(3)[labels])
    np.testing.assert_allclose(head.logits(values), 10 * theirs.predict(values), atol=1e-6)


def test_the_gaussian_head_decides_as_discriminant_analysis_with_that_shrinkage():
    values, labels = clouds(apart=0.7)

    (head,) = gaussian(Examples(values.astype(np.float64), labels, ONES, 3), [0.4])

    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.4, priors=[1 / 3] * 3).fit(values, labels)
    assert (head.logits(values).argmax(axis=1) == theirs.predict(values)).all()


def test_where_features_outnumber_images_ridge_and_gaussian_heads_are_scikit_learns_still():
    values, labels = clouds(count=30, features=200, apart=0.3)
    values = values.astype(np.float64)
    unseen, _ = clouds(count=50, features=200, seed=1)
    spread = np.trace(np.cov(values.T, bias=True)) / 200

    (least_squares,) = ridge(Examples(values, labels, ONES[:30], 3), [0.3])
    (discriminant,) = gaussian(Examples(values, labels, ONES[:30], 3), [0.4])

    theirs = Ridge(alpha=0.3 * spread * 30).fit(values, np.eye(3)[labels])
    np.testing.assert_allclose(least_squares.logits(unseen), 10 * theirs.predict(unseen), atol=1e-6)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.4, priors=[1 / 3] * 3).fit(values, labels)
    ours, exact = discriminant.logits(unseen), theirs.decision_function(unseen)
    ours, exact = (logits - logits.mean(axis=1, keepdims=True) for logits in (ours, exact))
    np.testing.assert_allclose(ours / np.ptp(ours), exact / np.ptp(exact), atol=1e-6)  # ours at a size of their own


@pytest.mark.parametrize("kind", HEADS)
def test_an_image_of_weight_two_counts_as_two_images(kind):
    values, labels = clouds(60)
    doubled = np.concatenate([values, values[:10]]).astype(np.float64), np.concatenate([labels, labels[:10]])
    weights = np.ones(60)
    weights[:10] = 2
    strength = HEADS[kind][1][:1] if kind != "ridge" else (0.3,)

    fit = HEADS[kind][0]
    (weighted,) = fit(Examples(values.astype(np.float64), labels, weights, 3), strength)
    (repeated,) = fit(Examples(*doubled, np.ones(70), 3), strength)

    np.testing.assert_allclose(weighted.logits(values), repeated.logits(values), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("kind", HEADS)
def test_a_class_without_images_is_never_the_answer(kind):
    values, labels = clouds()

    for strength in HEADS[kind][1]:
        head = fit_one_head(values, np.where(labels == 1, 3, labels), trial_of(kind, strength), class_count=5)
        assert not np.isin(head.logits(values).argmax(axis=1), (1, 4)).any()


@pytest.mark.parametrize("kind", HEADS)
def test_the_scale_and_place_of_the_features_do_not_matter(kind):
    values, labels = clouds()
    scale, place = np.float32(40), np.linspace(-3, 3, 8).astype(np.float32)

    plain = fit_one_head(values, labels, trial_of(kind, HEADS[kind][1][0]), class_count=3)
    moved = fit_one_head(values * scale + place, labels, trial_of(kind, HEADS[kind][1][0]), class_count=3)

    np.testing.assert_allclose(moved.logits(values * scale + place), plain.logits(values), atol=0.02)


def test_of_many_images_each_feature_is_divided_by_its_own_spread_of_few_by_that_of_all():
    random = np.random.default_rng(0)
    usual = np.array([0.5, 1.0, 3.0])

    few = feature_spread(random.standard_normal((4, 3)) * usual)
    many = feature_spread(random.standard_normal((200_000, 3)) * usual)

    assert few.max() / few.min() < 1.05
    np.testing.assert_allclose(many, usual, rtol=0.05)


def test_held_out_answers_come_from_heads_that_have_not_seen_the_image():
    values, labels = clouds(apart=3)
    wrong = labels.copy()
    wrong[:12] = (labels[:12] + 1) % 3  # a head that had seen these would repeat some of them

    chosen = choose_head(values, wrong, fold_of=np.where(np.arange(120) < 12, 0, -1), class_count=3)

    assert chosen.held_out.tolist() == list(range(12))
    np.testing.assert_array_equal(chosen.probabilities.argmax(axis=1), labels[:12])
    assert chosen.best.accuracy == 0


def test_the_best_in_cross_validation_is_fitted_on_all_and_its_probabilities_are_of_honest_size():
    values, labels = clouds(300, apart=0.8)

    chosen = choose_head(values, labels, fold_of=folds(300), class_count=3)

    assert chosen.best == min(chosen.trials, key=lambda trial: trial.log_loss)
    assert chosen.probabilities.shape == (300, 3)
    np.testing.assert_allclose(chosen.probabilities.sum(axis=1), 1, rtol=1e-5)
    confidence = chosen.probabilities.max(axis=1).mean()
    assert abs(confidence - chosen.best.accuracy) < 0.05
    assert (chosen.head.logits(values).argmax(axis=1) == labels).mean() > 0.8


def test_labels_without_meaning_give_no_confidence():
    values, _ = clouds(200)
    labels = np.random.default_rng(5).integers(0, 3, 200)

    chosen = choose_head(values, labels, fold_of=folds(200), class_count=3)

    assert chosen.probabilities.max(axis=1).mean() < 0.5
    assert chosen.best.accuracy < 0.5


def test_kinds_and_strengths_can_be_given():
    values, labels = clouds()

    chosen = choose_head(values, labels, fold_of=folds(120), class_count=3, kinds=("ridge",), strengths=(0.7,))

    assert (chosen.best.kind, chosen.best.strength) == ("ridge", 0.7)


@pytest.mark.parametrize(("kind", "strength"), [("multinomial", 100.0), ("ridge", 0.5), ("gaussian", 0.5)])
def test_comparing_in_the_directions_that_features_lie_in_changes_nothing(kind, strength, monkeypatch):
    few, labels = clouds(count=300, features=10)
    values = (few @ np.random.default_rng(1).standard_normal((10, 40))).astype(np.float32)  # 40 features, 10 directions

    given = {"fold_of": folds(300), "class_count": 3, "kinds": [kind], "strengths": [strength]}

    whole = choose_head(values, labels, **given)
    monkeypatch.setattr(directions, "MOST_DIRECTIONS", 12)
    reduced = choose_head(values, labels, **given)

    np.testing.assert_allclose(reduced.probabilities, whole.probabilities, atol=0.01)


def test_what_is_clearly_worse_on_the_first_folds_is_tried_no_further():
    values, labels = clouds(count=600, apart=0.4)

    tried = choose_head(values, labels, fold_of=folds(600), class_count=3, kinds=["ridge"], strengths=[0.1, 10_000.0])

    assert [trial.strength for trial in tried.trials] == [0.1]


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (12, 12)])
def test_a_mixture_of_covariance_and_identity_is_solved_as_plainly_written(shape):
    random = np.random.default_rng(0)
    centred, targets = random.standard_normal(shape), random.standard_normal((shape[1], 3))

    covariance = Covariance(centred)
    mixed = 0.3 * centred.T @ centred + 0.2 * np.eye(shape[1])

    assert covariance.trace == pytest.approx(np.trace(centred.T @ centred))
    assert covariance.solve(targets, share=0.3, least=0.2) == pytest.approx(np.linalg.solve(mixed, targets))
