"""PNM (PBM, PGM, PPM): its header in text, and whether the samples can be there."""

import re

from vidi.errors import ImageError
from vidi.images.formats.header import Header, broken, truncated
from vidi.images.limits import Limits

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
