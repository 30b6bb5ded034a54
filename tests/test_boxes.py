"""Overlaps by hand, and that suppression keeps what it should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidi.boxes import areas, clip_boxes, overlaps, suppress
from vidi.errors import ShapeError

sides = st.floats(0, 100, allow_nan=False)
boxes_of_all_kinds = st.lists(st.tuples(sides, sides, sides, sides), min_size=1, max_size=12).map(
    lambda rows: np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in rows])
)


@given(boxes_of_all_kinds)
def test_overlaps_are_shares_and_the_same_both_ways(boxes):
    shared = overlaps(boxes, boxes)

    assert ((shared >= 0) & (shared <= 1 + 1e-9)).all()
    np.testing.assert_allclose(shared, shared.T)
    np.testing.assert_allclose(np.diag(shared)[areas(boxes) > 0], 1)


@given(boxes_of_all_kinds, st.randoms(use_true_random=False))
def test_kept_boxes_do_not_overlap_and_dropped_ones_overlap_a_better_one(boxes, random):
    scores = np.array([random.random() for _ in boxes])

    kept = suppress(boxes, scores, overlap=0.5)

    shared = overlaps(boxes[kept], boxes[kept]) - np.eye(len(kept))
    assert (shared < 0.5).all()
    for row in set(range(len(boxes))) - set(kept.tolist()):
        better = kept[scores[kept] >= scores[row]]
        assert overlaps(boxes[row : row + 1], boxes[better]).max() >= 0.5


def test_the_order_of_the_boxes_does_not_matter():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 50, (30, 2))
    boxes, scores = np.concatenate([corners, corners + 20], axis=1), random.random(30)
    order = random.permutation(30)

    assert order[suppress(boxes[order], scores[order])].tolist() == suppress(boxes, scores).tolist()


def test_no_more_than_asked_for_and_nothing_of_nothing():
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6]])

    assert suppress(boxes, np.array([0.1, 0.2]), most=1).tolist() == [1]
    assert suppress(np.empty((0, 4)), np.empty(0)).tolist() == []


def test_what_is_no_list_of_boxes_is_refused():
    with pytest.raises(ShapeError, match="boxes have the shape"):
        overlaps(np.zeros((2, 3)), np.zeros((2, 4)))


def test_boxes_end_at_the_edges():
    assert clip_boxes(np.array([[-5, -5, 5, 500]]), (100, 200)).tolist() == [[0, 0, 5, 100]]
