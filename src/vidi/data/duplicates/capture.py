"""Bursts: photographs of one camera taken at most two seconds apart, by their EXIF data."""

import datetime
import hashlib
import itertools
import struct
from collections.abc import Sequence

BURST_SECONDS = 2.0

_MAKE, _MODEL, _TIME, _EXIF_FOLDER = 0x010F, 0x0110, 0x0132, 0x8769
_TIME_TAKEN, _FRACTION, _BODY_NUMBER = 0x9003, 0x9291, 0xA431
_TEXT = 2
_MOST_FIELDS = 200  # a camera writes about 60; more is damage or an attack

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


def _exif_block(data: bytes) -> bytes | None:
    """The TIFF structure that holds the EXIF fields."""
    if data[:4] in (b"II*\x00", b"MM\x00*"):
        return data
    if data[:2] == b"\xff\xd8":
        return _exif_of_jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _exif_of_chunks(data, start=8, name=b"eXIf", big_endian=True)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _exif_of_chunks(data, start=12, name=b"EXIF", big_endian=False)
    return None


def _exif_of_jpeg(data: bytes) -> bytes | None:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\x00\x00":
            return data[at + 10 : at + 2 + length]
        at += 2 + max(length, 2)
    return None


def _exif_of_chunks(data: bytes, *, start: int, name: bytes, big_endian: bool) -> bytes | None:
    """The chunk called `name` of a PNG (length, name, data, checksum) or WebP (name, length, data, padding)."""
    at = start
    while at + 8 <= len(data):
        if big_endian:
            length, found, step = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 12
        else:
            found, length, step = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little"), 8
        if found == name:
            block = data[at + 8 : at + 8 + length]
            return block.removeprefix(b"Exif\x00\x00")
        at += step + length + (0 if big_endian else length % 2)
    return None


def _read_fields(data: bytes) -> dict[int, str]:
    """The text fields of an image file's EXIF; none where it is broken, which never fails an image."""
    block = _exif_block(data) or b""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return {}
    try:
        (first,) = struct.unpack_from(f"{order}I", block, 4)
        fields, inner = _read_folder(block, first, order)
        return fields if inner is None else fields | _read_folder(block, inner, order)[0]
    except (struct.error, ValueError, UnicodeError):
        return {}


def _read_folder(block: bytes, at: int, order: str) -> tuple[dict[int, str], int | None]:
    (count,) = struct.unpack_from(f"{order}H", block, at)
    fields: dict[int, str] = {}
    inner = None
    for number in range(min(count, _MOST_FIELDS)):
        tag, kind, length, value = struct.unpack_from(f"{order}HHII", block, at + 2 + 12 * number)
        if tag == _EXIF_FOLDER:
            inner = value
        elif kind == _TEXT and length <= 256:
            start = value if length > 4 else at + 2 + 12 * number + 8
            fields[tag] = block[start : start + length].split(b"\x00")[0].decode("latin-1").strip()
    return fields, inner


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
