"""From whatever a file holds to RGB on 8 bits: the one rule for depth, palette, transparency and colour profile.

| stored | becomes |
|---|---|
| 16 bits | the high byte: 0 to 65535 is 0 to 255 |
| 32 bits, fractions | the file's own smallest finite value is 0, its largest 255; not-a-number is 0 |
| transparency | laid over the background, white unless another is set |
| palette | its colours; an index past the palette is refused |
| CMYK, YCCK | by the profile, else by Pillow's plain rule, Adobe's inversion undone |
| a usable profile that is not sRGB | applied (perceptual, to sRGB); any other is left alone and noted |
"""

import io
import math
import struct
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.images.formats.header import Header, broken, unsupported

Array = NDArray[np.uint8]
Convert = Callable[[Image.Image], Image.Image]

_STRIP_PIXELS = 4_000_000  # converted at once: a large image is never held in three forms
_SPACES = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}
_CLEAR = ("RGBA", "LA", "PA", "La", "RGBa")


def to_rgb(
    image: Image.Image, header: Header, *, background: tuple[int, int, int], profile: bytes | None
) -> tuple[Array, tuple[str, ...]]:
    """A loaded image as (height, width, 3) uint8, and the codes of what is to be remarked.

    Raises:
        ImageError: `broken` or `unsupported-format`.
    """
    convert, notes = _conversion(image, header, profile)
    is_clear = image.mode in _CLEAR or "transparency" in image.info
    height = image.height
    shown_through = background if is_clear else None
    if height * image.width <= _STRIP_PIXELS:
        return np.asarray(_flat(image, convert, shown_through)), notes
    rgb = np.empty((height, image.width, 3), np.uint8)
    top = 0
    for strip in _strips(image):
        rgb[top : top + strip.height] = np.asarray(_flat(strip, convert, shown_through))
        top += strip.height
    return rgb, notes


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    """The image in pieces of whole rows."""
    step = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, step):
        yield image.crop((0, top, image.width, min(top + step, image.height)))


def _flat(image: Image.Image, convert: Convert, background: tuple[int, int, int] | None) -> Image.Image:
    if background is None:
        return convert(image)
    image = image.convert("RGBA")
    flat = Image.new("RGB", image.size, background)
    flat.paste(convert(image.convert("RGB")), mask=image.getchannel("A"))
    return flat


def _conversion(image: Image.Image, header: Header, profile: bytes | None) -> tuple[Convert, tuple[str, ...]]:
    """How one strip becomes RGB, decided once for the whole image."""
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and header.format == "PNM"):
        return _high_byte, ()
    if mode in ("I", "F"):
        return _range_scaling(image), ("range-scaled",)
    if mode == "P" and header.format in ("PNG", "BMP"):
        _check_palette(image)
    if mode == "LAB":
        raise unsupported("This image is stored in Lab colours, which are not read.")
    if profile is None:
        return _plain, ()
    space = "CMYK" if mode == "CMYK" else "L" if mode in ("1", "L", "LA", "La") else "RGB"
    return _by_profile(profile, space)


def _plain(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _high_byte(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    return Image.fromarray((np.clip(values, 0, 65535) >> 8).astype(np.uint8)).convert("RGB")


def _range_scaling(image: Image.Image) -> Convert:
    low, high = math.inf, -math.inf
    for strip in _strips(image):
        values = np.asarray(strip)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low > high:
        raise broken("The image holds no finite number.")
    scale = 255 / (high - low) if high > low else 0.0

    def convert(strip: Image.Image) -> Image.Image:
        scaled = (np.clip(np.asarray(strip, np.float64), low, high) - low) * scale
        return Image.fromarray(np.nan_to_num(scaled + 0.5, nan=0.0).astype(np.uint8)).convert("RGB")

    return convert


def _check_palette(image: Image.Image) -> None:
    palette = image.palette
    colours = len(palette.palette) // len(palette.mode) if palette is not None else 0
    _, largest = image.getextrema()
    if isinstance(largest, int | float) and largest >= colours:
        raise broken(f"The image uses colour {int(largest)} of a palette that holds {colours}.")


def _by_profile(profile: bytes, space: str) -> tuple[Convert, tuple[str, ...]]:
    """The conversion through a colour profile to sRGB, or the plain one where the profile cannot be used."""
    if is_srgb(profile):
        return _plain, ()
    if len(profile) < 132 or profile[16:20] != _SPACES[space]:
        return _plain, ("profile-unusable",)
    from PIL import ImageCms  # 5 ms; few images need it

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), space, "RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return _plain, ("profile-unusable",)

    def convert(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image if image.mode == space else image.convert(space), transform)
        return converted if converted is not None else image

    return convert, ("profile-applied",)


def is_srgb(profile: bytes) -> bool:
    """Whether a profile for RGB calls itself sRGB, so that applying it would change nothing."""
    if len(profile) < 132 or profile[16:20] != b"RGB ":
        return False
    (count,) = struct.unpack_from(">I", profile, 128)
    for number in range(min(count, 100)):
        entry = profile[132 + 12 * number : 144 + 12 * number]
        if len(entry) < 12:
            return False
        name, start, length = struct.unpack(">4sII", entry)
        if name == b"desc":
            return b"sRGB" in profile[start : start + min(length, 300)].replace(b"\0", b"")
    return False
