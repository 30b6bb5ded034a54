"""Boxes lie where the thing is, by either way, however small the windows are that it takes."""

import numpy as np
import pytest

from tests.detection.red import red_model, with_square
from vidi.boxes import overlaps
from vidi.detection.evidence import boxes_of_map, locate_by_evidence
from vidi.detection.locate import PART_PENALTY, WindowSearch, choose_levels, cut_out, doubt_parts, draw_level, locate
from vidi.detection.slide import CutOutWindows, slide
from vidi.errors import ModelError, UsageError
from vidi.images.framing import Framing
from vidi.prediction.predictor import Predictor
from vidi.workflows.requests.model_file import LocateRequest

RED = WindowSearch(classes=(1,), share=(0.5, 0.5))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return red_model(tmp_path_factory.mktemp("red") / "model.onnx")


def cut_out_windows(predictor):
    """Windows close to one another."""
    windows = CutOutWindows(predictor)
    windows.stride = 8
    return windows


@pytest.mark.parametrize(("corner", "side"), [((30, 60), 40), ((2, 3), 50), ((70, 100), 30)])
def test_the_box_lies_on_the_square(predictor, corner, side):
    image = with_square(corner=corner, side=side)

    found = locate(image, slide(predictor.model), predictor, RED)

    truth = np.array([[corner[1], corner[0], corner[1] + side, corner[0] + side]])
    assert [one.label for one in found] == ["red"]
    assert overlaps(np.array([found[0].box]), truth)[0, 0] > 0.6


def test_of_two_squares_each_gets_a_box(predictor):
    image = np.concatenate([with_square(), with_square()], axis=1)

    found = locate(image, slide(predictor.model), predictor, RED)

    truth = np.array([[60, 30, 100, 70], [220, 30, 260, 70]])
    shared = overlaps(truth, np.array([one.box for one in found]))
    assert shared.max(axis=1).min() > 0.5


def test_windows_cut_out_find_the_same(predictor):
    image = with_square()

    slid = locate(image, slide(predictor.model), predictor, RED)
    cut = locate(image, cut_out_windows(predictor), predictor, RED)

    np.testing.assert_allclose([one.box for one in cut], [one.box for one in slid], atol=1e-3)
    np.testing.assert_allclose([one.score for one in cut], [one.score for one in slid], atol=1e-4)


@pytest.mark.parametrize("cut", [False, True])
def test_a_class_that_is_told_by_itself_is_found_by_its_own_probability(predictor, tmp_path, cut):
    several, image = red_model(tmp_path / "model.onnx", multi_label=True), with_square()
    model = cut_out_windows(several) if cut else slide(several.model)

    found, alone = locate(image, model, several, RED), locate(image, slide(predictor.model), predictor, RED)

    assert [one.label for one in found] == ["red"]
    np.testing.assert_allclose(found[0].box, alone[0].box, atol=1e-3)
    assert found[0].score == pytest.approx(alone[0].score, abs=1e-4)


def test_evidence_of_a_class_that_is_told_by_itself_lies_on_the_square(tmp_path):
    several = red_model(tmp_path / "model.onnx", pools=True, multi_label=True)

    (found,) = locate_by_evidence(with_square(), several, WindowSearch(classes=(1,), least=1e-3))

    assert overlaps(np.array([found.box]), np.array([[60, 30, 100, 70]]))[0, 0] > 0.4


def test_nothing_is_found_where_nothing_is(predictor):
    empty = np.full((90, 130, 3), 128, np.uint8)

    assert locate(empty, slide(predictor.model), predictor, RED) == []


def test_evidence_lies_on_the_square(tmp_path):
    pooling, image = red_model(tmp_path / "model.onnx", pools=True), with_square(side=80, corner=(20, 40))

    (found,) = locate_by_evidence(image, pooling, RED)

    assert overlaps(np.array([found.box]), np.array([[40, 20, 120, 100]]))[0, 0] > 0.6


def test_a_network_without_evidence_is_refused(predictor):
    with pytest.raises(ModelError, match="no evidence maps"):
        locate_by_evidence(with_square(), predictor, RED)


def test_a_map_that_is_nowhere_above_zero_has_no_box():
    boxes, peaks = boxes_of_map(np.full((4, 4), -1.0))

    assert boxes.shape == (0, 4)
    assert len(peaks) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3_000), (20, 20)])
def test_thin_and_tiny_images_are_searched(predictor, size):
    image = np.full((*size, 3), (255, 0, 0), np.uint8)

    for one in locate(image, slide(predictor.model), predictor, RED):
        assert 0 <= one.box[0] <= one.box[2] <= size[1]
        assert 0 <= one.box[1] <= one.box[3] <= size[0]


def test_windows_that_would_need_too_large_an_image_are_refused():
    with pytest.raises(UsageError, match="would be enlarged to"):
        choose_levels((4_000, 6_000), Framing(size=(128, 128)), smallest=4)


def test_levels_grow_by_equal_steps_up_to_the_image():
    levels = choose_levels((100, 100), Framing(size=(32, 32)), smallest=25)

    sides = np.array([level.window[0] for level in levels])
    np.testing.assert_allclose(sides[1:] / sides[:-1], 2 ** (1 / 3))
    assert sides[0] == 25
    assert sides[-1] <= 150


def test_a_level_is_as_blurred_as_the_training_images_were():
    framing = Framing(size=(96, 96), mode="stretch", shrink_to=(24, 24))
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (90, 90, 3), np.uint8)
    level = choose_levels((90, 90), framing, smallest=90)[0]

    drawn = draw_level(image, level, framing, stride=1)

    top, left = level.border
    inner = drawn[top : top + 96, left : left + 96]
    np.testing.assert_array_equal(inner, cut_out(image, np.array([0.0, 0.0, 90.0, 90.0]), framing))


def test_what_hangs_over_the_edge_is_grey():
    piece = cut_out(np.zeros((10, 10, 3), np.uint8), np.array([-10.0, 0.0, 10.0, 10.0]), Framing(size=(10, 20)))

    assert (piece[:, :10] == 114).all()
    assert (piece[:, 10:] == 0).all()


def test_boxes_are_the_inner_part_where_the_thing_fills_less_of_a_training_image(predictor):
    image = with_square()

    whole = locate(image, slide(predictor.model), predictor, WindowSearch(classes=(1,)))[0]
    inner = locate(image, slide(predictor.model), predictor, WindowSearch(classes=(1,), share=(0.5, 1.0)))[0]

    assert inner.box[3] - inner.box[1] == pytest.approx((whole.box[3] - whole.box[1]) / 2, abs=1)
    assert inner.box[0] == pytest.approx(whole.box[0], abs=1)


def test_the_share_that_is_none_is_named():
    with pytest.raises(UsageError, match=r"^--least 0 is out of range"):
        LocateRequest(least=0)


def test_a_box_within_a_better_one_is_doubted_but_not_lost():
    boxes = np.array([[0, 0, 10, 20], [2, 1, 7, 8], [2, 1, 7, 8], [20, 0, 30, 20]], np.float64)

    odds = doubt_parts(boxes, np.array([5.0, 4.0, 6.0, 1.0]))

    np.testing.assert_allclose(odds, [5.0, 4.0 - PART_PENALTY, 6.0, 1.0])


def test_what_one_of_the_two_looks_doubts_is_not_given(predictor):
    class Sure:
        """Windows that are sure of everything."""

        stride = 8

        def answer(self, level):
            rows, columns = level.shape[0] // 8 - 3, level.shape[1] // 8 - 3
            return np.full((rows, columns, 2), 9.0)

    assert locate(np.full((40, 40, 3), 128, np.uint8), Sure(), predictor, RED) == []
