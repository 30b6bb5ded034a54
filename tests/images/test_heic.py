"""HEIC, in which phones keep photographs: read upright with its decoder, named with the remedy without it."""

import io

import numpy as np
import pytest
from PIL import Image

from vidi.errors import ImageError
from vidi.images.decode import decode_image, read_header
from vidi.images.limits import DecodeOptions, Limits

heif = pytest.importorskip("pillow_heif", reason="needs:pillow-heif")
SIZE = (48, 80)  # (height, width)
SMOOTH = np.stack(np.meshgrid(np.linspace(0, 250, SIZE[1]), np.linspace(0, 250, SIZE[0])), axis=-1)[
    ..., [0, 1, 0]
].astype(np.uint8)


def heic(*, orientation: int = 1) -> bytes:
    """A drawn image as a phone would keep it that was held so."""
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image = heif.from_pillow(Image.fromarray(SMOOTH))
    image.save(stream, quality=95, exif=exif.tobytes())
    return stream.getvalue()


def test_a_photograph_is_read_as_it_was_taken():
    found = decode_image(heic())

    assert (found.format, found.size, found.image.dtype) == ("HEIC", SIZE, np.uint8)
    assert np.abs(found.image.astype(int) - SMOOTH).mean() < 4


def test_one_that_was_held_upright_is_turned_once():
    found = decode_image(heic(orientation=6))

    turned = np.rot90(SMOOTH, -1)
    assert found.image.shape == turned.shape
    assert np.abs(found.image.astype(int) - turned).mean() < 4


def test_limits_are_judged_before_it_is_decoded():
    with pytest.raises(ImageError) as caught:
        read_header(heic(), DecodeOptions(limits=Limits(pixels=1_000)))

    assert caught.value.code == "too-many-pixels"


@pytest.mark.parametrize("length", [30, 300, 900])
def test_one_that_ends_early_is_refused_with_a_reason(length: int):
    with pytest.raises(ImageError) as caught:
        decode_image(heic()[:length])

    assert caught.value.code in ("truncated", "broken")


def test_without_the_decoder_the_package_is_named(monkeypatch: pytest.MonkeyPatch):
    data = heic()
    monkeypatch.setattr("vidi.images.formats.header_only.find_spec", lambda _: None)

    with pytest.raises(ImageError) as caught:
        decode_image(data)

    assert caught.value.code == "unsupported-format"
    assert "HEIC" in caught.value.cause
    assert "vidi[heic]" in caught.value.remedy
