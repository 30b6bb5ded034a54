"""What a reference keeps of its images' places as sums, and what an older file's images give in their place."""

from dataclasses import replace

import numpy as np
import pytest

from vidi.monitoring.places import KnownPlaces, sum_places
from vidi.monitoring.reference import MOST_FOR_AXES, apart_from_axes, place_embeddings


def test_sums_are_those_of_the_clipped_scores():
    places = np.random.default_rng(0).normal(size=(400, 3)) * [5, 1, 2] + 1

    summed = sum_places(places)

    scores = (places - summed.middle) / summed.spread
    assert np.abs(scores).max() > 2.5
    clipped = np.clip(scores, -2.5, 2.5)
    assert summed.shift.image_count == 400
    np.testing.assert_allclose(summed.shift.means, clipped.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(summed.shift.squares, (clipped**2).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(summed.width.means, np.abs(clipped).mean(axis=0), rtol=1e-6)
    assert sum(summed.shift.weights) == pytest.approx(3)
    assert summed.strangest is None


@pytest.mark.parametrize(("images", "strange"), [(95, None), (200, 40)])
def test_the_strangest_fifth_is_summed_up_by_itself_if_it_is_large_enough(images: int, strange: int | None):
    random = np.random.default_rng(1)
    places, novelty = random.normal(size=(images, 3)), random.random(images)
    places[:, 1] += novelty

    found = sum_places(places, novelty).strangest

    assert (None if found is None else found.scores.image_count) == strange
    if found is not None:
        assert int((novelty > found.limit).sum()) == strange
        assert found.scores.means[1] > 0.2


def test_a_file_without_sums_tells_by_the_images_that_it_holds():
    embeddings = np.random.default_rng(2).normal(size=(300, 6)).astype(np.float32)
    kept = place_embeddings(embeddings, np.arange(300))

    older = KnownPlaces.of(replace(kept, summed=None))

    assert older.summed.shift.image_count == 150
    np.testing.assert_allclose(older.summed.shift.means, KnownPlaces.of(kept).summed.shift.means, atol=1e-3)


def test_more_images_are_summed_than_kept():
    embeddings = np.random.default_rng(3).normal(size=(2_500, 4)).astype(np.float32)

    kept = place_embeddings(embeddings, np.arange(2_500))

    assert apart_from_axes(np.arange(2_500)).sum() == 2_500 - MOST_FOR_AXES
    assert (kept.image_count, kept.summed.shift.image_count) == (500, 1_500)
