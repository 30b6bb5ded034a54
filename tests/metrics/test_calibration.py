"""Calibration error and the band of a perfect model."""

import numpy as np
import pytest

from tests.metrics.answers import honest_answers, made_answers
from vidi.metrics.calibration import expected_calibration_error, perfect_model_band, reliability_bins


def two_classes(confidence):
    """Rows that put `confidence` on class 0."""
    first = np.asarray(confidence, dtype=np.float64)
    return np.stack([first, 1 - first], axis=1)


def test_error_of_a_case_worked_by_hand():
    probabilities = two_classes([0.6, 0.6, 0.9, 0.9])
    labels = np.array([0, 1, 0, 0])

    # Bins: two at 0.6 of which half is right (gap 0.1), two at 0.9 that are both right (gap 0.1).
    assert expected_calibration_error(probabilities, labels, bins=2) == pytest.approx(0.1)


def test_error_agrees_with_a_loop_over_bins():
    probabilities, labels = made_answers(images=103)
    rows = sorted(range(103), key=lambda row: probabilities[row].max())
    expected = 0.0
    for part in np.array_split(rows, 15):
        right = np.mean([probabilities[row].argmax() == labels[row] for row in part])
        confidence = np.mean([probabilities[row].max() for row in part])
        expected += abs(right - confidence) * len(part) / 103

    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected)


def test_bins_hold_equally_many_images_and_all_of_them():
    probabilities, labels = made_answers(images=100)

    bins = reliability_bins(probabilities, labels, bins=15)

    assert sum(one.image_count for one in bins) == 100
    assert {one.image_count for one in bins} == {6, 7}
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)


def test_fewer_images_than_bins_make_a_bin_each():
    bins = reliability_bins(two_classes([0.7, 0.8]), np.array([0, 0]), bins=15)

    assert [one.image_count for one in bins] == [1, 1]


def test_nothing_is_known_without_images():
    empty = np.zeros((0, 2))

    assert expected_calibration_error(empty, np.zeros(0, int)) is None
    assert reliability_bins(empty, np.zeros(0, int)) == ()
    assert perfect_model_band(empty, random=np.random.default_rng(0)) is None


def test_perfect_model_lies_in_its_band_about_95_times_in_100():
    inside = []
    for seed in range(100):
        probabilities, labels = honest_answers(images=300, seed=seed)
        band = perfect_model_band(probabilities, random=np.random.default_rng(seed), repeats=300).calibration_error
        inside.append(band.low <= expected_calibration_error(probabilities, labels) <= band.high)

    assert 0.88 <= np.mean(inside) <= 1.0


def test_overconfident_model_lies_above_the_band():
    probabilities, labels = honest_answers(images=600)
    sharpened = probabilities**4 / (probabilities**4).sum(axis=1, keepdims=True)

    band = perfect_model_band(sharpened, random=np.random.default_rng(0)).calibration_error

    assert expected_calibration_error(sharpened, labels) > band.high


def test_band_has_one_interval_for_each_bin():
    probabilities, labels = made_answers(images=100)

    band = perfect_model_band(probabilities, random=np.random.default_rng(0))

    assert len(band.accuracies) == len(reliability_bins(probabilities, labels))
    assert all(0 <= one.low <= one.high <= 1 for one in band.accuracies)
