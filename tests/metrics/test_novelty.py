"""Novelty: far from every class is strange, and the limit lets through as many known images as it says."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance

from vidi.errors import ShapeError
from vidi.metrics.novelty import balancing_offset, components_for_folds, directions, fit_novelty, novelty_limit
from vidi.metrics.ranking import area_under_roc


def clusters(count: int = 300, *, features: int = 12, seed: int = 0):
    """Three classes whose features differ in spread and depend on one another."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    mixing = np.random.default_rng(9).normal(size=(features, features))
    centres = 4 * np.random.default_rng(8).normal(size=(3, features))
    return centres[labels] + random.normal(size=(count, features)) @ mixing, labels


def test_it_is_the_distance_of_mahalanobis_to_the_nearest_class():
    embeddings, labels = clusters()
    score = fit_novelty(embeddings, labels, shrinkage=0.0)
    values = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    means = np.stack([values[labels == label].mean(axis=0) for label in range(3)])
    covariance = EmpiricalCovariance(assume_centered=True).fit(values - means[labels])
    others = clusters(50, seed=1)[0]

    placed = others / np.linalg.norm(others, axis=1, keepdims=True)
    expected = np.min([covariance.mahalanobis(placed - mean) for mean in means], axis=0)

    np.testing.assert_allclose(score.of(others), expected, rtol=1e-5)
    np.testing.assert_allclose(score.of(7 * others), expected, rtol=1e-5)  # a direction has no length


def test_what_lies_off_every_class_is_stranger_than_what_lies_in_one():
    embeddings, labels = clusters()
    score = fit_novelty(embeddings, labels)
    known = clusters(200, seed=1)[0]
    strange = 8 * np.random.default_rng(3).normal(size=known.shape)

    told = np.concatenate([score.of(known), score.of(strange)])

    assert area_under_roc(told, np.arange(400) >= 200) > 0.95


def test_of_few_images_as_many_known_ones_are_unknown_as_the_folds_say():
    random = np.random.default_rng(4)
    spread = 1 / np.sqrt(np.arange(1, 301))  # as in embeddings: few directions in which much differs, many with little
    embeddings = random.normal(size=(1_000, 300)) * spread + 1
    learned, new, fold_of = embeddings[:80], embeddings[80:], np.arange(80) % 5
    labels, beyond = np.arange(80) % 3, {}

    for components in (None, components_for_folds(80)):
        folds = np.zeros(80)
        for fold in range(5):
            own = fit_novelty(learned[fold_of != fold], labels[fold_of != fold], components=components)
            folds[fold_of == fold] = own.of(learned[fold_of == fold])
        limit = novelty_limit(folds, share=0.02)
        whole = fit_novelty(learned, labels, components=components)
        beyond[components] = float((whole.of(new) > limit).mean())

    assert beyond[60] < 0.06
    assert beyond[None] > 3 * beyond[60]


def test_what_differs_where_the_training_images_do_not_is_strange():
    random = np.random.default_rng(0)
    usual, unusual = (np.r_[np.full(4, 1.0), np.full(196, spread)] for spread in (0.02, 0.5))
    known, more, strange = (random.normal(size=(200, 200)) * spread + 2 for spread in (usual, usual, unusual))
    score = fit_novelty(known, np.arange(200) % 3, components=4)
    is_strange = np.arange(400) >= 200

    told, within = (np.concatenate([one.of(more), one.of(strange)]) for one in (score, replace(score, weight=0.0)))

    assert (area_under_roc(within, is_strange) or 1) < 0.8
    assert (area_under_roc(told, is_strange) or 0) > 0.99


def test_what_lies_outside_the_components_is_added_with_one_weight():
    embeddings, labels = clusters()
    whole = fit_novelty(embeddings, labels)
    score = fit_novelty(embeddings, labels, components=5)
    centred = directions(embeddings) - score.mean
    inside = np.linalg.lstsq(score.projection, centred.T, rcond=None)[0].T @ score.projection.T

    without = replace(score, weight=0.0).of(embeddings)

    assert whole.weight == 0.0
    np.testing.assert_allclose(
        score.of(embeddings) - without, score.weight * ((centred - inside) ** 2).sum(axis=1), rtol=1e-6
    )


def test_counter_examples_make_their_like_strange():
    embeddings, labels = clusters()
    random = np.random.default_rng(5)
    between = embeddings[labels == 0].mean(axis=0) * 0.5 + embeddings[labels == 1].mean(axis=0) * 0.5
    like = between + 0.3 * random.normal(size=(40, 12))
    known = clusters(200, seed=1)[0]
    plain = fit_novelty(embeddings, labels)
    told = plain.knowing(like[:20], np.zeros(20, np.int64))
    told = replace(told, offset=balancing_offset(*told.both(known)))
    is_strange = np.arange(220) >= 200

    before, after = (
        area_under_roc(np.concatenate([score.of(known), score.of(like[20:])]), is_strange) for score in (plain, told)
    )

    assert (after or 0) >= (before or 0)
    assert (told.of(like[20:]) > np.quantile(told.of(known), 0.98)).mean() > 0.9


def test_what_raises_no_logit_is_stranger_and_equal_logits_change_nothing():
    embeddings, labels = clusters()
    plain = fit_novelty(embeddings, labels)
    weight = np.eye(12)[:3]
    told = fit_novelty(embeddings, labels, head=(weight, np.zeros(3)))

    highest = (embeddings @ weight.T).max(axis=1)
    expected = plain.of(embeddings) * np.exp(
        np.log(plain.of(embeddings)).std() / highest.std() * (highest.mean() - highest)
    )
    np.testing.assert_allclose(told.of(embeddings), expected)
    for scale in (0.5, 2.0):  # the direction stays, and with it the distance
        factor = told.of(scale * embeddings) / plain.of(scale * embeddings)
        assert ((factor > 1) == (scale * highest < highest.mean())).all()
    silent = fit_novelty(embeddings, labels, head=(np.zeros((3, 12)), np.ones(3)))
    np.testing.assert_array_equal(silent.of(embeddings), plain.of(embeddings))


def test_a_score_without_counter_examples_is_the_distance_alone():
    embeddings, labels = clusters()
    score = fit_novelty(embeddings, labels)

    distance, resemblance = score.both(embeddings)

    np.testing.assert_array_equal(score.of(embeddings), distance)
    assert np.isneginf(resemblance).all()


def test_kinds_of_counter_examples_lie_apart():
    embeddings, labels = clusters()
    score = fit_novelty(embeddings, labels).knowing(embeddings[:10], np.arange(10) % 2)

    assert score.counters is not None
    assert score.counters.shape == (2, 12)


def test_more_features_than_images_are_no_trouble():
    embeddings, labels = clusters(40, features=200)

    assert np.isfinite(fit_novelty(embeddings, labels).of(embeddings)).all()


def test_features_that_never_change_are_no_trouble():
    embeddings, labels = clusters()
    embeddings[:, 3] = 0.0
    embeddings[0] = 0.0

    assert np.isfinite(fit_novelty(embeddings, labels).of(embeddings)).all()


def test_the_limit_lets_through_as_many_as_it_says():
    random = np.random.default_rng(0)
    beyond = []
    for _ in range(300):
        values = random.normal(size=400)
        beyond.append((values[200:] > novelty_limit(values[:200], share=0.02)).mean())

    assert np.mean(beyond) <= 0.02 + 3 * np.std(beyond) / len(beyond) ** 0.5
    assert novelty_limit(np.zeros(48), share=0.02) is None


def test_arrays_of_different_images_are_refused():
    with pytest.raises(ShapeError):
        fit_novelty(np.zeros((4, 3)), np.zeros(5, np.int64))
