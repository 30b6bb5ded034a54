"""Values find the bins in which the reference counted them, and single odd embeddings cannot decide."""

import numpy as np

from vidi.model_file.drift_reference import Histogram
from vidi.monitoring.places import CLIP, PlaceScale, bin_values


def test_values_logged_in_single_precision_fall_where_the_reference_counted_them():
    values = np.random.default_rng(0).choice([4 / 3, 3 / 4, 1.0, 2 / 3], 400)
    reference = Histogram.of(values)

    found = bin_values(values.astype(np.float32), reference)

    assert np.array_equal(np.bincount(found.bins, minlength=len(found.counts)), found.counts)


def test_what_lies_beyond_the_reference_has_bins_of_its_own():
    found = bin_values(np.array([0.5, 1.0, 1.5]), Histogram.of(np.ones(30)))

    assert found.bins.tolist() == [0, 1, 2]
    assert found.positions.tolist() == [0.0, 0.5, 1.0]


def test_an_odd_embedding_counts_no_more_than_the_limit():
    own = np.random.default_rng(1).normal(size=(100, 3))

    assert PlaceScale.of(own).clip(np.array([[1e9, -1e9, 0.0]])).tolist()[0][:2] == [CLIP, -CLIP]


def test_a_component_without_spread_is_no_division_by_zero():
    own = np.ones((50, 1))

    assert PlaceScale.of(own).clip(np.array([[1.0], [2.0]])).tolist() == [[0.0], [CLIP]]
