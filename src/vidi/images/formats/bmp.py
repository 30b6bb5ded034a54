"""BMP: its header, and whether its rows can be there."""

import struct

from vidi.errors import ImageError
from vidi.images.formats.header import Header, broken, truncated, unsupported
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
