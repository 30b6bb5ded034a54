"""Maps from the network's frame to the image, and in words."""

import numpy as np
import pytest

from vidi.errors import ShapeError
from vidi.explanation import enlarge, evidence_for, over_image, place_in_words
from vidi.images.framing import Framing, frame_image, place_in_frame


def test_evidence_that_all_classes_share_speaks_for_none():
    evidence = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    shared = np.array([[5, 0], [0, -7], [1, 1]], np.float32)

    np.testing.assert_allclose(evidence_for(evidence + shared, 2), evidence_for(evidence, 2), atol=1e-5)


def test_evidence_for_a_class_adds_up_to_its_lead_over_the_others():
    evidence = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    logits = evidence.mean(axis=(1, 2))

    assert evidence_for(evidence, 1).mean() == pytest.approx(logits[1] - np.delete(logits, 1).mean(), abs=1e-6)


@pytest.mark.parametrize("shape", [(4, 3), (1, 2, 2)])
def test_evidence_of_another_shape_is_refused(shape: tuple[int, ...]):
    with pytest.raises(ShapeError, match="beside others"):
        evidence_for(np.zeros(shape, np.float32), 0)


@pytest.mark.parametrize("mode", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(40, 40), (30, 60), (60, 30), (33, 47)])
def test_a_spot_in_the_frame_lies_where_the_image_has_it(mode: str, size: tuple[int, int]):
    framing = Framing(size=(32, 32), mode=mode)
    image = np.zeros((*size, 3), np.uint8)
    middle = (size[0] // 2, size[1] // 2)
    image[middle[0] - 3 : middle[0] + 3, middle[1] - 3 : middle[1] + 3] = 255

    framed = frame_image(image, framing)[:, :, 0].astype(np.float32)
    found = over_image(np.where(framed == 114, 0, framed), framing, size, shown=size)

    place = np.unravel_index(int(np.nanargmax(found)), size)
    assert np.abs(np.subtract(place, middle)).max() <= 3


def test_what_was_cropped_off_has_no_value():
    found = over_image(np.ones((4, 4), np.float32), Framing(size=(8, 8), mode="crop"), (10, 30), shown=(10, 30))

    assert np.isnan(found[:, 0]).all()
    assert np.isnan(found[:, -1]).all()
    assert (found[:, 12:18] == 1).all()


@pytest.mark.parametrize("mode", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 20_000), (20_000, 2)])
def test_thin_images_have_a_place_and_a_map(mode: str, size: tuple[int, int]):
    framing = Framing(size=(16, 16), mode=mode)

    top, left, height, width = place_in_frame(size, framing)
    found = over_image(np.ones((2, 2), np.float32), framing, size, shown=(12, 12))

    assert min(height, width) >= 1
    assert (top < 16, left < 16, top + height > 0, left + width > 0) == (True,) * 4
    assert np.isfinite(found).any()


def test_the_place_of_a_map_in_words():
    values = np.zeros((9, 9), np.float32)
    values[0, 4] = 1

    assert place_in_words(values) == "top"
    assert place_in_words(np.where(values == 0, np.nan, values).astype(np.float32)) == "top"


def test_a_map_of_one_region_is_the_same_everywhere():
    assert (enlarge(np.full((1, 1), 3, np.float32), (5, 7)) == 3).all()
