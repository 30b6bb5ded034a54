"""AVIF: its boxes, as far as they tell the size."""

import struct
from collections.abc import Iterator

from vidi.errors import ImageError
from vidi.images.formats.header import Header, HeaderPart, broken, truncated
from vidi.images.limits import Limits

_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}  # name: bytes before the first inner box
_MOST_BOXES = 10_000


def read_avif(data: bytes, _limits: Limits) -> Header:
    """The header of an AVIF; the decoder itself knows how it is turned.

    Raises:
        ImageError: `truncated`, `broken` or `no-pixels`.
    """
    boxes = list(_boxes(data, 0, len(data)))
    sizes = [
        struct.unpack_from(">II", data, part.body + 4)
        for part in boxes
        if part.kind == b"ispe" and part.end - part.body >= 12
    ]
    if not sizes:
        raise broken("The AVIF does not state its size.")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The AVIF is {width} x {height} pixels.", "Leave the file out.")
    if any(part.kind == b"irot" and part.body < part.end and data[part.body] & 1 for part in boxes):
        height, width = width, height  # the decoder turns it by itself; this is the upright size
    return Header(format="AVIF", stored_size=(height, width), end=len(data), channels=4)


def _boxes(data: bytes, start: int, end: int) -> Iterator[HeaderPart]:
    position = start
    for _ in range(_MOST_BOXES):
        if position + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        body = position + 8
        if length == 1 and position + 16 <= end:
            (length,) = struct.unpack_from(">Q", data, body)
            body += 8
        last = end if length == 0 else position + length
        if last > end or last <= position:
            raise truncated(f"The AVIF ends after {end:,} bytes, within its box {kind.decode('latin-1')!r}.")
        part = HeaderPart(kind=kind, start=position, body=body, end=last)
        yield part
        if kind in _CONTAINERS:
            yield from _boxes(data, body + _CONTAINERS[kind], last)
        position = last
