"""Heads that learn from parts of the images."""

import numpy as np
import pytest

from vidi.training.heads.subsamples import draw_parts, errors_by_size, reduce_features


def clouds(count: int, *, apart: float = 0.6, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.arange(count) % classes
    values = random.standard_normal((classes, 12))[labels] * apart + random.standard_normal((count, 12))
    return values.astype(np.float32), labels


def measure(values: np.ndarray, labels: np.ndarray, **others: object):
    given = {"groups": np.arange(len(labels)), "fold_of": np.arange(len(labels)) // 3 % 5, **others}
    return errors_by_size(values, labels, class_count=3, strength=10.0, seed=0, **given)


def test_errors_fall_with_the_number_of_images():
    measured = measure(*clouds(900))

    np.testing.assert_allclose(measured.counts, 720 * np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]), rtol=0.03)
    errors = measured.wrong.mean(axis=0)
    assert errors[0] > errors[2] > errors[4]
    assert measured.wrong.shape == (900, 5)


def test_groups_are_drawn_whole_and_a_smaller_part_lies_in_the_larger():
    labels = np.arange(360) % 3
    groups = np.arange(360) // 12 * 3 + labels  # four images each, of one class

    parts = list(draw_parts(labels, groups, fold_of=groups % 5, shares=(0.25, 0.5, 1.0), most=360, seed=0))

    assert len(parts) == 5 * (2 + 2 + 1)
    for part in parts:
        assert len(part.rows) == 4 * len(np.unique(groups[part.rows]))
    rows = {(part.fold, part.size, part.draw): set(part.rows.tolist()) for part in parts}
    assert all(rows[fold, 0, draw] < rows[fold, 1, draw] < rows[fold, 2, 0] for fold in range(5) for draw in range(2))


def test_an_image_is_never_learned_from_where_it_is_held_out():
    values, labels = clouds(300)
    fold_of = np.where(np.arange(300) < 60, 0, -1)

    parts = draw_parts(labels, np.arange(300), fold_of=fold_of, shares=(0.5, 1.0), most=300, seed=0)
    measured = measure(values, labels, fold_of=fold_of)

    assert all(part.rows.min() >= 60 for part in parts)
    assert measured.held_out.tolist() == list(range(60))
    assert measured.wrong.shape[0] == 60


def test_of_very_many_images_some_are_looked_at():
    labels, fold_of = np.arange(1200) % 3, np.arange(1200) // 3 % 5

    parts = list(draw_parts(labels, np.arange(1200), fold_of=fold_of, shares=(1.0,), most=300, seed=0))

    assert [len(part.rows) for part in parts] == [pytest.approx(240, rel=0.15)] * 5
    assert len(set(np.concatenate([part.rows for part in parts]).tolist())) == 300


def test_too_few_images_make_no_curve():
    assert measure(*clouds(24)) is None


@pytest.mark.slow  # trains twice
def test_the_same_seed_draws_the_same_parts():
    first, again = (measure(*clouds(300)).wrong for _ in range(2))

    np.testing.assert_array_equal(first, again)


def test_reduced_features_keep_the_distances_along_the_first_components():
    random = np.random.default_rng(0)
    plane = random.standard_normal((50, 3)) @ random.standard_normal((3, 20))

    reduced = reduce_features(plane.astype(np.float32), dimensions=5)

    scaled = (plane - plane.mean(axis=0)) / plane.std(axis=0)
    assert reduced.shape == (50, 5)
    np.testing.assert_allclose(reduced @ reduced.T, scaled @ scaled.T, atol=1e-2)


def test_few_features_are_only_standardised():
    values, _ = clouds(60)

    reduced = reduce_features(values, dimensions=12)

    np.testing.assert_allclose(reduced, (values - values.mean(axis=0)) / values.std(axis=0), atol=1e-4)
