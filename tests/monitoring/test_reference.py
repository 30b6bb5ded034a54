"""The drift reference sums up answers and images, and lays embeddings out as new images will lie."""

from dataclasses import replace

import numpy as np
import pytest

from tests.model_file.tiny import tiny_metadata
from vidi.images.statistics import QUALITIES, ImageStatistics
from vidi.model_file.drift_reference import Histogram
from vidi.model_file.limits import ClassPoint, OperatingPoints, VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import as_plain, canonical_json
from vidi.monitoring.reference import (
    MOST_PLACED,
    UnseenImages,
    make_reference,
    place_embeddings,
    thin_out,
    without_embeddings,
)

LIMITS = VerdictLimits(
    basis="calibration", image_count=40, max_error=0.05, level=0.95, coverage=0.9, sure=0.8, candidate=0.3, novelty=9.0
)


def judged() -> ModelMetadata:
    return replace(tiny_metadata(), verdict=LIMITS)


def rows(count: int, *, first: float) -> np.ndarray:
    """(count, 3): the same answer again and again."""
    return np.tile([first, 0.9 - first, 0.1], (count, 1))


def images(count: int, *, features: int = 6, groups: np.ndarray | None = None) -> UnseenImages:
    random = np.random.default_rng(3)
    return UnseenImages(
        part="validation",
        embeddings=random.normal(size=(count, features)).astype(np.float32),
        statistics=[
            ImageStatistics(brightness=float(n), contrast=1, saturation=2, sharpness=3, side=4, aspect=5)
            for n in range(count)
        ],
        groups=np.arange(count) if groups is None else groups,
    )


def test_classes_verdicts_and_confidence_are_counted():
    probabilities = np.concatenate([rows(15, first=0.85), rows(10, first=0.2), rows(5, first=0.6)])
    novelty = np.array([1.0] * 28 + [10.0] * 2)

    reference = make_reference(
        probabilities, judged(), basis="calibration", groups=np.arange(30) // 3, novelty=novelty, images=None
    )

    assert (reference.answer_count, reference.group_count, reference.images) == (30, 10, None)
    assert reference.classes == (20, 10, 0)
    assert reference.verdicts == {"sure": 15, "unsure": 13, "unknown": 2}
    assert sum(reference.confidence.counts) == 30
    assert reference.confidence.edges[0] == pytest.approx(0.6)


def test_novelty_of_other_images_says_nothing_of_these():
    reference = make_reference(
        rows(30, first=0.85), judged(), basis="out-of-fold", groups=None, novelty=np.full(7, 10.0), images=None
    )

    assert reference.verdicts == {"sure": 30, "unsure": 0, "unknown": 0}
    assert reference.group_count == 30


def test_an_image_of_several_labels_counts_for_each_of_them():
    counts = {"is_promised": False, "bound": None, "image_count": 5, "found": 5, "other_count": 5, "alarms": 0}
    points = OperatingPoints(
        measure="f1",
        share=None,
        level=0.95,
        basis="calibration",
        image_count=10,
        points=tuple(ClassPoint(name=f"class {index}", threshold=0.5, **counts) for index in range(3)),
    )
    metadata = replace(tiny_metadata(), multi_label=True, operating_points=points)
    answers = np.array([[0.9, 0.8, 0.1]] * 20 + [[0.1, 0.2, 0.3]] * 5)

    reference = make_reference(answers, metadata, basis="calibration", groups=None, novelty=None, images=None)

    assert reference.classes == (20, 20, 0)


@pytest.mark.parametrize(("answers", "seen", "is_there", "shows"), [(19, 40, False, False), (20, 19, True, False)])
def test_of_fewer_than_twenty_nothing_is_said(answers: int, seen: int, is_there: bool, shows: bool):
    reference = make_reference(
        rows(answers, first=0.85), judged(), basis="calibration", groups=None, novelty=None, images=images(seen)
    )

    assert (reference is not None) == is_there
    assert (reference is not None and reference.images is not None) == shows


def test_qualities_are_histograms_of_all_images():
    reference = make_reference(
        rows(20, first=0.85), judged(), basis="calibration", groups=None, novelty=None, images=images(40)
    )

    seen = reference.images
    assert (seen.part, seen.image_count, seen.group_count) == ("validation", 40, 40)
    assert tuple(seen.qualities) == QUALITIES
    assert seen.qualities["brightness"] == Histogram.of(np.arange(40.0))
    assert seen.qualities["aspect"].counts == (40,)
    hidden = without_embeddings(reference)
    assert hidden.images.embeddings is None
    assert replace(hidden.images, embeddings=seen.embeddings) == seen


def test_embeddings_lie_where_the_projection_places_new_ones():
    random = np.random.default_rng(5)
    embeddings = random.normal(size=(90, 12)) @ random.normal(size=(12, 12)) + 7

    placed = place_embeddings(embeddings.astype(np.float32), np.arange(90))

    assert (placed.image_count, placed.component_count) == (45, 12)
    again = placed.projection().place(embeddings)
    step = np.abs(again).max() / 30_000
    nearest = np.abs(placed.placed()[:, None] - again[None]).max(axis=2).argmin(axis=1)
    np.testing.assert_allclose(placed.placed(), again[nearest], atol=step)
    assert len(set(nearest.tolist())) == 45
    spread = again.std(axis=0)
    assert spread[0] > spread[-1]  # the axis of the largest variance comes first
    np.testing.assert_allclose(again.mean(axis=0), 0, atol=0.5 * spread.max())


def test_no_axis_is_found_from_an_image_that_is_placed():
    """With as many features as images, axes found from an image itself would reach it wholly."""
    embeddings = np.eye(60, dtype=np.float32)

    placed = place_embeddings(embeddings, np.arange(60))

    assert placed.image_count == 30
    assert np.ptp(placed.placed(), axis=0).max() < 0.05  # to the axes of the others these images are all alike


def test_groups_stay_in_one_half():
    groups = np.arange(80) // 8
    embeddings = np.repeat(np.eye(10, dtype=np.float32), 8, axis=0)

    placed = place_embeddings(embeddings, groups)

    assert placed.image_count == 40
    assert len(np.unique(placed.placed().round(3), axis=0)) == 1  # whole groups, which the axes do not know
    assert place_embeddings(embeddings, np.zeros(80, np.int64)).image_count == 40  # a single group is cut in two


def test_one_large_group_leaves_the_others_for_the_axes():
    groups = np.array([0] * 900 + list(range(1, 101)))

    placed = place_embeddings(np.random.default_rng(0).normal(size=(1_000, 8)), groups)

    assert 0 < placed.image_count <= MOST_PLACED
    assert placed.component_count == 8


@pytest.mark.parametrize(
    ("features", "components", "most_bytes"),
    [(1_280, 64, 210_000), pytest.param(25_600, 15, 700_000, marks=pytest.mark.slow("many features"))],
)
def test_the_largest_reference_is_far_below_four_megabytes(features: int, components: int, most_bytes: int):
    random = np.random.default_rng(0)
    seen = replace(
        images(1_100), embeddings=random.normal(size=(1_100, features)).astype(np.float32), groups=np.arange(1_100)
    )

    reference = make_reference(
        rows(20, first=0.85), judged(), basis="calibration", groups=None, novelty=None, images=seen
    )

    embeddings = reference.images.embeddings
    assert (embeddings.image_count, embeddings.component_count) == (500, components)
    assert len(canonical_json(as_plain(reference))) < most_bytes


def test_very_many_images_are_thinned_out_evenly():
    some = thin_out(20_000)

    assert (some[0], some[-1], len(some)) == (0, 19_999, 5_000)
    assert thin_out(7).tolist() == list(range(7))
