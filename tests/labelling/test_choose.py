"""The order in which images are labelled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidi.errors import ShapeError
from vidi.labelling import choose_images, uncertainty
from vidi.metrics.outputs import SIGMOID


def two_classes(*first: float) -> np.ndarray:
    return np.array([[one, 1 - one] for one in first])


def test_without_embeddings_the_closest_race_comes_first():
    assert choose_images(two_classes(0.9, 0.5, 0.7, 0.2)).tolist() == [1, 2, 3, 0]


def test_equal_images_keep_their_order():
    assert choose_images(two_classes(0.5, 0.5, 0.5)).tolist() == [0, 1, 2]


def test_a_second_image_of_the_same_doubt_waits():
    places = np.array([[0.0, 1.0], [0.1, 5.0], [1.0, 0.0]])

    assert choose_images(two_classes(0.5, 0.5, 0.55), embeddings=places).tolist()[:2] == [0, 2]


def test_a_strange_image_comes_before_a_doubtful_one():
    assert choose_images(two_classes(0.99, 0.6), is_strange=np.array([True, False])).tolist() == [0, 1]


def test_of_several_labels_the_one_nearest_to_even_odds_decides():
    rows = np.array([[0.99, 0.01, 0.45], [0.9, 0.8, 0.2]])

    assert uncertainty(rows, outputs=SIGMOID).tolist() == pytest.approx([0.9, 0.4])


def test_one_class_leaves_nothing_to_choose():
    assert uncertainty(np.ones((3, 1))).tolist() == [0, 0, 0]
    assert choose_images(np.zeros((0, 3))).tolist() == []


def test_embeddings_of_other_images_are_refused():
    with pytest.raises(ShapeError, match="one embedding and one mark for each row"):
        choose_images(two_classes(0.5, 0.5), embeddings=np.zeros((3, 2)))


@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_every_image_comes_once(count, seed, has_embeddings):
    random = np.random.default_rng(seed)
    rows = random.dirichlet(np.ones(4), size=count)
    places = random.normal(size=(count, 3)) if has_embeddings else None

    assert sorted(choose_images(rows, embeddings=places).tolist()) == list(range(count))
