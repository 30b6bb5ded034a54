"""Small pictures that travel inside the page: made from pixels alone, so no file's metadata comes along."""

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.errors import ImageError
from vidi.files import digest_of
from vidi.images.decode import decode_image
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore

LONGER_SIDE = 176  # pixels: sharp at the 88 to 138 pixels that a card shows on most screens
SMALL_SIDE = 64  # pixels: up to here every pixel is kept, and shown as a square
QUALITY = 74  # of WebP; about 4 kB for a photograph
MOST_BYTES = 6_000_000  # of all thumbnails as text: the page stays under 10 MB


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One small picture as a page holds it."""

    uri: str  # data:image/webp;base64,…
    width: int  # pixels
    height: int
    is_small: bool  # to be enlarged without smoothing


def make_thumbnails(
    store: ImageStore,
    paths: Iterable[str],
    *,
    digests: Mapping[str, str] | None = None,
    options: DecodeOptions | None = None,
) -> dict[str, Thumbnail]:
    """Thumbnails of the images that can still be read, in the order given, until the page would grow too large.

    Args:
        paths: as the store names them; the most important first.
        digests: SHA-256 of each file as it was; a file that has changed since gets no thumbnail.
        options: how images are decoded; as they were for training.
    """
    made: dict[str, Thumbnail] = {}
    spent = 0
    for path in dict.fromkeys(paths):
        image = read_small(store, path, digest=(digests or {}).get(path, ""), options=options)
        if image is None:
            continue
        thumbnail = make_thumbnail(image)
        spent += len(thumbnail.uri)
        if spent > MOST_BYTES:
            break
        made[path] = thumbnail
    return made


def read_small(
    store: ImageStore, path: str, *, digest: str = "", options: DecodeOptions | None = None
) -> NDArray[np.uint8] | None:
    """One image, perhaps at reduced scale; None where it is gone, broken, or no longer the file of that digest."""
    try:
        data = store.read(path)
        if digest and digest_of(data) != digest:
            return None
        return decode_image(data, options=options or DecodeOptions(), at_least=(LONGER_SIDE, LONGER_SIDE)).image
    except ImageError:
        return None


def make_thumbnail(image: NDArray[np.uint8], *, longer_side: int = LONGER_SIDE) -> Thumbnail:
    """A thumbnail of (height, width, 3) pixels; its sides keep their proportion."""
    picture = _shrunk(image, longer_side)
    is_small = _is_small(image)
    uri = data_uri(picture, lossless=is_small)
    return Thumbnail(uri=uri, width=picture.width, height=picture.height, is_small=is_small)


def thumbnail_file(image: NDArray[np.uint8]) -> bytes:
    """The bytes of a WebP file: the thumbnail of (height, width, 3) pixels."""
    return _webp(_shrunk(image, LONGER_SIDE), lossless=_is_small(image))


def _is_small(image: NDArray[np.uint8]) -> bool:
    height, width = image.shape[:2]
    return bool(max(height, width) <= SMALL_SIDE)


def _shrunk(image: NDArray[np.uint8], longer_side: int) -> Image.Image:
    height, width = image.shape[:2]
    scale = min(1.0, longer_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(image)
    return picture if scale == 1 else picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)


def data_uri(picture: Image.Image, *, lossless: bool) -> str:
    """A picture as text that stands in `src`."""
    return "data:image/webp;base64," + base64.b64encode(_webp(picture, lossless=lossless)).decode("ascii")


def _webp(picture: Image.Image, *, lossless: bool) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=QUALITY, lossless=lossless, method=4)
    return stream.getvalue()
