import numpy as np
import pytest
from PIL import Image

from tests.draw import draw
from vidi.images.framing import (
    PAD_GREY,
    Framing,
    choose_framing,
    covering_size,
    fitted_size,
    frame_image,
    framed_sizes,
    resized_size,
    shrunk_size,
)


def random_sizes(count: int) -> list[tuple[int, int]]:
    random = np.random.default_rng(0)
    return [(int(h), int(w)) for h, w in random.integers(1, 5000, (count, 2))]


@pytest.mark.parametrize("box", [(224, 224), (128, 64), (1, 7)])
def test_a_fitted_size_lies_within_the_box_and_touches_it(box):
    for size in random_sizes(300):
        height, width = fitted_size(size, box)
        assert 1 <= height <= box[0]
        assert 1 <= width <= box[1]
        assert height == box[0] or width == box[1]
        scale = min(box[0] / size[0], box[1] / size[1])
        assert abs(height - max(1, size[0] * scale)) <= 0.5 + 1e-9
        assert abs(width - max(1, size[1] * scale)) <= 0.5 + 1e-9


@pytest.mark.parametrize("box", [(224, 224), (128, 64), (1, 7)])
def test_a_covering_size_covers_the_box_and_no_more(box):
    for size in random_sizes(300):
        height, width = covering_size(size, box)
        assert height >= box[0]
        assert width >= box[1]
        assert height == box[0] or width == box[1]


def test_stretching_is_one_resize():
    image = draw("disc", size=(30, 50))
    expected = np.asarray(Image.fromarray(image).resize((20, 10), Image.Resampling.BILINEAR))
    assert np.array_equal(frame_image(image, Framing(size=(10, 20), mode="stretch")), expected)


def test_padding_is_grey_with_the_extra_pixel_right_and_below():
    white = np.full((10, 20, 3), 255, np.uint8)
    framed = frame_image(white, Framing(size=(21, 21), mode="pad"))
    assert resized_size((10, 20), Framing(size=(21, 21))) == (11, 21)
    assert (framed[:5] == PAD_GREY).all()
    assert (framed[5:16] == 255).all()
    assert (framed[16:] == PAD_GREY).all()
    odd = frame_image(white, Framing(size=(22, 21), mode="pad"))
    assert (odd[:5] == PAD_GREY).all()
    assert (odd[16:] == PAD_GREY).all()


def test_a_crop_takes_the_middle():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 2:6] = 255
    assert (frame_image(image, Framing(size=(4, 4), mode="crop")) == 255).all()


def test_an_image_of_the_right_size_is_left_alone():
    image = draw("noise", size=(24, 24))
    for mode in ("stretch", "pad", "crop"):
        assert np.array_equal(frame_image(image, Framing(size=(24, 24), mode=mode)), image)


@pytest.mark.parametrize("mode", ["stretch", "pad", "crop"])
def test_thin_images_never_lose_a_side(mode):
    for size in ((1, 1), (1, 5000), (5000, 1), (2, 20000)):
        image = np.full((*size, 3), 7, np.uint8)
        framing = Framing(size=(16, 24), mode=mode, shrink_to=(8, 8))
        assert frame_image(image, framing).shape == (16, 24, 3)


def test_a_sharp_photograph_is_first_shrunk_to_the_usual_size():
    framing = Framing(size=(64, 64), mode="pad", shrink_to=(32, 32))
    assert shrunk_size((300, 400), framing) == (24, 32)
    assert shrunk_size((20, 30), framing) == (20, 30)
    image = draw("stripes", size=(320, 320))
    small = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(frame_image(image, framing), frame_image(small, Framing(size=(64, 64))))


def test_images_of_like_shape_are_stretched_and_others_padded():
    assert choose_framing([(100, 100), (100, 109)], (64, 64)).mode == "stretch"
    assert choose_framing([(100, 100), (100, 112)], (64, 64)).mode == "pad"
    assert choose_framing([(100, 100)], (64, 64), "crop").mode == "crop"


def test_the_usual_size_is_kept_where_images_would_be_enlarged():
    assert choose_framing([(28, 28), (28, 28), (30, 30)], (32, 32)).shrink_to == (28, 28)
    assert choose_framing([(300, 400)], (32, 32)).shrink_to is None


def test_the_scale_needed_is_three_times_the_first_resize():
    assert framed_sizes((3000, 4000), Framing(size=(224, 224))).needed == (504, 672)
    assert framed_sizes((3000, 4000), Framing(size=(224, 224), shrink_to=(100, 100))).needed == (225, 300)
    assert framed_sizes((50, 60), Framing(size=(224, 224), shrink_to=(100, 100))).needed == (561, 672)
