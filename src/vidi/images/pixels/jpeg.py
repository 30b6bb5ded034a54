"""The pixels of a JPEG: by libjpeg-turbo directly, which tells what it warns of, else through Pillow, which does not.

Both are the same library with the same settings and give the same pixels; Pillow is used for CMYK, and where
simplejpeg is not installed or declines.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from vidi.images.formats.header import Header, truncated
from vidi.images.formats.jpeg import STRAY_BYTES, only_pixels
from vidi.images.limits import DecodeOptions
from vidi.images.pixels.colour import is_srgb, to_rgb

try:
    import simplejpeg
except ImportError:  # no wheel for this platform: slower, and blind to the decoder's warnings
    simplejpeg = None

Array = NDArray[np.uint8]
_END = b"\xff\xd9"
# Coded bits that mean something else than a missing end: if the pixels change, they were not all there.
_FILLER = b"\x5a\xa5\x3c\xc3" * 16


def decode_jpeg(
    data: bytes, header: Header, *, scale: int, options: DecodeOptions, profile: bytes | None
) -> tuple[Array, tuple[str, ...]]:
    """The image as stored, (height, width, 3) uint8, reduced by `scale` (1, 2, 4 or 8), and its notes.

    Raises:
        ImageError: `truncated`.
    """
    rgb, complaint = _by_turbo(data, header, scale)
    if rgb is not None and (profile is None or is_srgb(profile)):
        return rgb, () if header.is_complete else ("end-missing",)
    image = Image.fromarray(rgb) if rgb is not None else _by_pillow(only_pixels(data, header), header, scale)
    notes = ("decoder-warned",) if complaint else ()
    if not header.is_complete:
        is_whole = rgb is not None or (not complaint and _is_whole(image, data, header, scale))
        if not is_whole and not options.keep_truncated:
            raise truncated(f"The JPEG ends after {len(data):,} bytes, before the image is complete.")
        notes = ("end-missing",) if is_whole else ("truncated",)
    rgb, more = to_rgb(image, header, background=options.background, profile=profile)
    return rgb, (*notes, *more)


def _by_turbo(data: bytes, header: Header, scale: int) -> tuple[Array | None, str]:
    """The pixels, or None and what the decoder complains of; no complaint where it only declines.

    What it leaves behind after a complaint is never used: after an error it may call a half-written image whole.
    """
    if simplejpeg is None or header.channels not in (1, 3):
        return None, ""
    height, width = (-(-side // scale) for side in header.stored_size)
    if STRAY_BYTES in header.notes:
        data = only_pixels(data, header)  # without them: what the walk has found is what is decoded
    elif not header.is_complete:
        data += _END
    try:
        return simplejpeg.decode_jpeg(data, min_height=height, min_width=width), ""
    except ValueError as error:
        return None, "" if "Could not determine" in str(error) else str(error)


def _by_pillow(data: bytes, header: Header, scale: int) -> Image.Image:
    image = JpegImageFile(io.BytesIO(data))
    if scale > 1:
        # Floored, so that Pillow, which divides rounding down, arrives at the very scale.
        image.draft(image.mode, (max(1, header.stored_size[1] // scale), max(1, header.stored_size[0] // scale)))
    image.load()
    return image


def _is_whole(image: Image.Image, data: bytes, header: Header, scale: int) -> bool:
    """Whether all pixels of a JPEG without end mark are there: then other bits behind them change nothing."""
    filled = only_pixels(data, header).removesuffix(_END) + _FILLER + _END
    return image.tobytes() == _by_pillow(filled, header, scale).tobytes()
