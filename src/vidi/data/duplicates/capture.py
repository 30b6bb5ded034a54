"""Bursts: photographs of one camera taken at most two seconds apart, by their EXIF data."""

import datetime
import hashlib
import itertools
from collections.abc import Sequence

from vidi.errors import ImageError
from vidi.images.formats.header import read_exif, sniff
from vidi.images.formats.registry import FORMATS
from vidi.images.limits import Limits

BURST_SECONDS = 2.0

_MAKE, _MODEL, _TIME = 0x010F, 0x0110, 0x0132
_TIME_TAKEN, _FRACTION, _BODY_NUMBER = 0x9003, 0x9291, 0xA431

Capture = tuple[str, float]  # a camera as a digest, and seconds since an epoch of no meaning


def read_capture(data: bytes) -> Capture | None:
    """When and by which camera a JPEG, PNG, WebP or TIFF file says it was taken; None where it does not say.

    Only compared with others: the camera is returned as a digest, and neither is ever written or shown.
    """
    fields = _read_fields(data)
    seconds = _seconds(fields)
    if seconds is None:
        return None
    camera = "|".join(fields.get(tag, "") for tag in (_MAKE, _MODEL, _BODY_NUMBER))
    if not camera.strip("| "):
        return None  # without a camera the time alone proves nothing
    return hashlib.sha256(camera.encode()).hexdigest()[:16], seconds


def read_camera(data: bytes) -> str:
    """Maker and model of the camera that an image file names, empty where it names none; never its serial number."""
    fields = _read_fields(data)
    maker, model = (" ".join(fields.get(tag, "").split()) for tag in (_MAKE, _MODEL))
    return model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}"


def group_bursts(captures: Sequence[Capture | None]) -> list[str | None]:
    """A key for each image, equal for images of one burst; None for those that stand alone.

    Each image of a burst was taken at most two seconds after another of it.

    >>> group_bursts([("a", 10.0), ("a", 13.0), ("a", 11.5), ("b", 10.0), None])
    ['burst-0', 'burst-0', 'burst-0', None, None]
    """
    order = sorted((capture, index) for index, capture in enumerate(captures) if capture is not None)
    keys: list[str | None] = [None] * len(captures)
    for (before, earlier), (now, later) in itertools.pairwise(order):
        if before[0] == now[0] and now[1] - before[1] <= BURST_SECONDS:
            keys[earlier] = keys[earlier] or f"burst-{earlier}"
            keys[later] = keys[earlier]
    return keys


def _read_fields(data: bytes) -> dict[int, str]:
    """The text fields of an image file's EXIF; none where the file is damaged, which is not said here."""
    try:
        header = FORMATS[sniff(data)].read(data, Limits())
    except ImageError:
        return {}
    return {tag: value for tag, value in read_exif(data[slice(*header.exif)]).items() if isinstance(value, str)}


def _seconds(fields: dict[int, str]) -> float | None:
    """The time taken on the camera's own clock; only differences mean something."""
    text = fields.get(_TIME_TAKEN) or fields.get(_TIME)
    if not text:
        return None
    try:
        taken = datetime.datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    fraction = fields.get(_FRACTION, "")
    return taken.timestamp() + (float(f"0.{fraction}") if fraction.isascii() and fraction.isdigit() else 0.0)
