"""BMP, PNM (PBM, PGM, PPM), AVIF and HEIC: of these the header alone is read before the decoder gets the bytes."""

import re
import struct
from collections.abc import Iterator
from importlib.util import find_spec

from vidi.errors import ImageError
from vidi.images.formats.header import READ, Header, HeaderPart, broken, truncated, unsupported
from vidi.images.limits import Limits

_UNCOMPRESSED = (0, 3, 6)
_RUN_LENGTHS = (1, 2)


def read_bmp(data: bytes, limits: Limits) -> Header:
    """The header of a BMP.

    Raises:
        ImageError: `truncated`, `broken`, `no-pixels`, `too-many-pixels` or `unsupported-format`.
    """
    if len(data) < 26:
        raise ImageError("not-an-image", "It begins with `BM` but is too short for a BMP.", "Leave the file out.")
    offset, size = struct.unpack_from("<II", data, 10)
    if size == 12:
        width, height, planes, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    elif size in (40, 52, 56, 64, 108, 124) and len(data) >= 34:
        width, height, planes, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    else:
        raise broken(f"The BMP states a header of {size:,} bytes, which does not exist.")
    height = abs(height)
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The BMP is {width} x {height} pixels.", "Leave the file out.")
    if width < 0 or planes != 1 or bits not in (1, 2, 4, 8, 16, 24, 32):
        raise broken(f"The BMP states {bits} bits a pixel in {planes} planes and a width of {width}.")
    if compression not in (*_UNCOMPRESSED, *_RUN_LENGTHS):
        raise unsupported(f"This BMP is compressed in a way ({compression}) that is not read.")
    end = offset + height * (-(-width * bits // 32) * 4)
    if compression in _RUN_LENGTHS:
        end = len(data)
    elif end > len(data) and height * width <= limits.pixels:
        raise truncated(f"The BMP has {len(data):,} bytes; its header asks for {end:,}.")
    return Header(
        format="BMP",
        stored_size=(height, width),
        end=end,
        notes=("bytes-after-end",) if end < len(data) else (),
        channels=1 if bits <= 8 else 3,
    )


_MOST_HEADER = 10_000  # bytes of header with its comments
_TOKEN = re.compile(rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])*([^\s#]+)")


def read_pnm(data: bytes, limits: Limits) -> Header:
    """The header of a PNM.

    Raises:
        ImageError: `truncated`, `broken` or `no-pixels`.
    """
    kind = int(data[1:2])
    names = ("width", "height") if kind in (1, 4) else ("width", "height", "largest value")
    values, position = [], 2
    for name in names:
        value, position = _number(data, position, name)
        values.append(value)
    width, height, largest = (*values, 1)[:3]
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The PNM is {width} x {height} pixels.", "Leave the file out.")
    if not 1 <= largest <= 65535:
        raise broken(f"The PNM's largest value is {largest}; 1 to 65535 exist.")
    channels = 3 if kind in (3, 6) else 1
    row = -(-width // 8) if kind == 4 else width * channels * (1 if largest < 256 else 2)
    end = position + 1 + height * row if kind >= 4 else len(data)
    if end > len(data) and height * width <= limits.pixels:
        raise truncated(f"The PNM has {len(data):,} bytes; its header asks for {end:,}.")
    return Header(
        format="PNM",
        stored_size=(height, width),
        end=end,
        notes=("bytes-after-end",) if end < len(data) else (),
        channels=channels,
        sample_bits=8 if largest < 256 else 16,
    )


def _number(data: bytes, position: int, name: str) -> tuple[int, int]:
    found = _TOKEN.match(data, position, _MOST_HEADER)
    if found is None:
        raise broken(f"The PNM's {name} does not come within its first {_MOST_HEADER:,} bytes.")
    token = found[1]
    if not token.isdigit() or len(token) > 10:
        raise broken(f"The PNM's {name} is {token[:20].decode('ascii', 'replace')!r}, which is not a number it can be.")
    return int(token), found.end()


_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}  # name: bytes before the first inner box
_MOST_BOXES = 10_000


def read_heic(data: bytes, _limits: Limits) -> Header:
    """The header of a HEIC, where its decoder is installed.

    Raises:
        ImageError: `unsupported-format`, `truncated`, `broken` or `no-pixels`.
    """
    if find_spec("pillow_heif") is None:
        remedy = 'Install "vidi[heic]", or export it as JPEG; phones offer this as `most compatible`.'
        raise unsupported(f"This is a HEIC file; {READ} are read.", remedy)
    return _read_container(data, "HEIC")


def read_avif(data: bytes, _limits: Limits) -> Header:
    """The header of an AVIF.

    Raises:
        ImageError: `truncated`, `broken` or `no-pixels`.
    """
    return _read_container(data, "AVIF")


def _read_container(data: bytes, format: str) -> Header:
    """The header of an image in the container of ISO 23008-12; the decoder itself knows how it is turned."""
    boxes = list(_boxes(data, 0, len(data)))
    sizes = [
        struct.unpack_from(">II", data, part.body + 4)
        for part in boxes
        if part.kind == b"ispe" and part.end - part.body >= 12
    ]
    if not sizes:
        raise broken(f"The {format} does not state its size.")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The {format} is {width} x {height} pixels.", "Leave the file out.")
    if any(part.kind == b"irot" and part.body < part.end and data[part.body] & 1 for part in boxes):
        height, width = width, height  # the decoder turns it by itself; this is the upright size
    return Header(format=format, stored_size=(height, width), end=len(data), channels=4)


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
            raise truncated(f"The file ends after {end:,} bytes, within its box {kind.decode('latin-1')!r}.")
        part = HeaderPart(kind=kind, start=position, body=body, end=last)
        yield part
        if kind in _CONTAINERS:
            yield from _boxes(data, body + _CONTAINERS[kind], last)
        position = last
