"""GIF: the canvas and the first frame."""

import struct

from vidi.errors import ImageError
from vidi.images.formats.header import Header, Part, broken, truncated
from vidi.images.limits import Limits

_MOST_BLOCKS = 1_000_000


def read_gif(data: bytes, limits: Limits) -> Header:
    """The header of a GIF; `parts` holds the first frame with what stands before it.

    Raises:
        ImageError: `truncated`, `broken`, `no-pixels` or `too-many-pixels`.
    """
    if len(data) < 13:
        raise truncated(f"The GIF ends after {len(data)} bytes, within its header.")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The GIF is {width} x {height} pixels.", "Leave the file out.")
    position = 13 + _palette_bytes(flags)
    first_end, end, frames = _walk(data, position, limits)
    notes = ["first-frame"] if frames > 1 else []
    if end is None:
        notes.append("end-missing")
    elif end < len(data):
        notes.append("bytes-after-end")
    return Header(
        format="GIF",
        stored_size=(height, width),
        notes=tuple(notes),
        parts=(Part(kind=b"frame", start=0, body=position, end=first_end),),
        end=len(data) if end is None else end,
        channels=1,
    )


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _walk(data: bytes, position: int, limits: Limits) -> tuple[int, int | None, int]:
    """Where the first frame ends, where the file ends (None: no trailer), and the number of frames."""
    first_end, frames = 0, 0
    for _ in range(_MOST_BLOCKS):
        kind = data[position : position + 1]
        if kind == b";" and frames:
            return first_end, position + 1, frames
        if kind == b"!":
            position = _after_blocks(data, position + 2)
        elif kind == b"," and position + 10 <= len(data):
            if not frames:
                _check_frame(data, position, limits)
            position = _after_blocks(data, position + 11 + _palette_bytes(data[position + 9]))
            frames += 1
            first_end = first_end or position
        else:
            break
        if position > len(data):
            break
    if position > len(data) and frames <= 1:
        raise truncated(f"The GIF ends after {len(data):,} bytes, before its first frame is complete.")
    if not frames:
        raise broken("The GIF holds no frame.")
    return first_end, None, frames


def _check_frame(data: bytes, position: int, limits: Limits) -> None:
    left, top, width, height = struct.unpack_from("<HHHH", data, position + 1)
    if (left + width) * (top + height) > limits.pixels:
        raise ImageError(
            "too-many-pixels",
            f"The GIF's first frame reaches to {left + width} x {top + height} pixels.",
            "Make it smaller, or raise `Limits.pixels`.",
        )


def _after_blocks(data: bytes, position: int) -> int:
    """Behind the chain of sub-blocks that starts here; past the file's end where the chain does not end."""
    while position < len(data):
        length = data[position]
        position += 1 + length
        if length == 0:
            return position
    return len(data) + 1


def only_pixels(data: bytes, header: Header) -> bytes:
    """The file up to its first frame."""
    return data[: header.parts[0].end] + b";"
