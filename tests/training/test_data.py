from dataclasses import replace

import numpy as np
import pytest
from tests.training.examples import drawn_data

from vidi.errors import DataError, ShapeError
from vidi.training.data import channel_statistics, class_weights, identity_difference


def test_statistics_are_those_of_the_rows_alone():
    images = np.random.default_rng(0).integers(0, 256, (600, 5, 7, 3), dtype=np.uint8)
    rows = np.arange(3, 590)

    mean, deviation = channel_statistics(images, rows)

    np.testing.assert_allclose(mean, images[rows].mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(deviation, images[rows].std(axis=(0, 1, 2)))


def test_one_colour_does_not_divide_by_nothing():
    assert channel_statistics(np.zeros((2, 4, 4, 3), np.uint8), np.arange(2))[1] == (1.0, 1.0, 1.0)


def test_weights_average_one_over_the_images_and_absent_classes_have_none():
    labels = np.array([0] * 90 + [2] * 10)

    weights = class_weights(labels, 3)

    assert weights[1] == 0
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[0] * 90 == pytest.approx(weights[2] * 10)


def test_data_that_do_not_fit_together_are_refused():
    data = drawn_data()

    with pytest.raises(ShapeError, match="48 images have 47 labels"):
        replace(data, truth=data.truth.at(np.arange(47)))
    with pytest.raises(ShapeError, match="images are float64"):
        replace(data, images=data.images.astype(float))
    with pytest.raises(ShapeError, match="3 classes have 2 names"):
        replace(data, classes=("a", "b"))
    with pytest.raises(DataError, match="no training images are left"):
        replace(data, train_rows=np.array([], np.int64))


def test_the_same_data_have_no_difference_and_other_labels_have():
    data = drawn_data()
    other = replace(data, truth=data.truth.at(np.arange(48)[::-1]))

    assert identity_difference(data.identity(), drawn_data().identity()) == ""
    assert identity_difference(data.identity(), other.identity()) == "the data set has changed"
