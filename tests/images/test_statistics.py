"""Statistics of an image tell its light, colours and sharpness, and nothing of its frame."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.draw import draw
from vidi.images.framing import Framing, frame_image
from vidi.images.statistics import ImageStatistics, brightness_of, statistics_of


def measured(image: np.ndarray, *, mode: str = "stretch", size: tuple[int, int] = (32, 32)) -> ImageStatistics:
    framing = Framing(size=size, mode=mode)
    return statistics_of(frame_image(image, framing), framing, (image.shape[0], image.shape[1]))


def test_a_small_image_is_measured_as_by_hand():
    image = np.array([[[0, 0, 0], [200, 100, 0]], [[0, 0, 0], [200, 100, 0]]], np.uint8)

    found = measured(image, size=(2, 2))

    grey = 200 * 0.299 + 100 * 0.587
    assert found.brightness == pytest.approx(grey / 2, rel=1e-5)
    assert found.contrast == pytest.approx(grey / 2, rel=1e-5)
    assert found.saturation == 100
    assert found.sharpness == (100 + 100 + 0 + 0) / 4
    assert (found.side, found.aspect) == (2, 1)


@pytest.mark.parametrize("mode", ["pad", "crop"])
def test_borders_do_not_count(mode: str):
    image = np.full((20, 80, 3), 250, np.uint8)

    found = measured(image, mode=mode)

    assert (found.brightness, found.contrast, found.sharpness) == (pytest.approx(250), 0, 0)
    assert (found.side, found.aspect) == (40, 4)


def test_blur_darkness_and_loss_of_colour_are_seen():
    image = draw("stripes", size=(64, 64))
    picture = Image.fromarray(image)
    blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(2)))

    plain, soft, dark, grey = (
        measured(one, size=(64, 64))
        for one in (image, blurred, image // 2, np.asarray(picture.convert("L").convert("RGB")))
    )

    assert soft.sharpness < 0.7 * plain.sharpness
    assert dark.brightness == pytest.approx(plain.brightness / 2, abs=1)
    assert grey.saturation == 0 < plain.saturation


def test_a_single_pixel_has_no_neighbours():
    assert measured(np.full((1, 1, 3), 9, np.uint8), size=(1, 1)).sharpness == 0


def test_of_a_large_image_some_pixels_are_enough():
    image = draw("disc", size=(640, 480))

    assert brightness_of(image) == pytest.approx(float(image.mean(axis=(0, 1)) @ [0.299, 0.587, 0.114]), abs=1)
