"""A Pillow image in memory becomes what its file would have become."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.draw import draw, encoded
from vidi.errors import ImageError
from vidi.images.decode import decode_image
from vidi.images.given import from_pillow, upright_size

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def in_mode(mode: str) -> Image.Image:
    image = Image.fromarray(draw("disc", size=(20, 30)))
    if mode == "I;16":
        return Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image.convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_image_is_what_its_file_is(mode: str):
    image = in_mode(mode)
    stream = io.BytesIO()
    image.save(stream, "PNG")

    np.testing.assert_array_equal(from_pillow(image), decode_image(stream.getvalue()).image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright(orientation: int):
    image = Image.fromarray(draw("stripes", size=(20, 30)))
    image.getexif()[274] = orientation
    stream = io.BytesIO()
    image.save(stream, "PNG", exif=image.getexif())

    upright = from_pillow(image)

    np.testing.assert_array_equal(upright, decode_image(stream.getvalue()).image)
    assert upright_size(image) == upright.shape[:2]


def test_a_cut_file_opened_by_the_caller_is_refused():
    data = encoded(draw("noise", size=(64, 64)), format="JPEG")

    with pytest.raises(ImageError) as caught:
        from_pillow(Image.open(io.BytesIO(data[: len(data) // 2])))

    assert caught.value.code == "truncated"
