"""GIF: the canvas and the first frame."""

import struct

from vidi.errors import ImageError
from vidi.images.formats.header import Header, HeaderPart, broken, truncated
from vidi.images.limits import Limits

_MOST_BLOCKS = 1_000_000


def read_gif(data: bytes, _limits: Limits) -> Header:
    """The header of a GIF; its one part is the first frame.

    Raises:
        ImageError: `truncated`, `broken` or `no-pixels`.
    """
    if len(data) < 13:
        raise truncated(f"The GIF ends after {len(data)} bytes, within its header.")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The GIF is {width} x {height} pixels.", "Leave the file out.")
    frame, end, frames = _walk(data, 13 + _palette_bytes(flags))
    notes = ["first-frame"] if frames > 1 else []
    if not _check_frame(data, frame):
        notes.append("size-differs")
    if end is None:
        notes.append("end-missing")
    elif end < len(data):
        notes.append("bytes-after-end")
    return Header(
        format="GIF",
        stored_size=(height, width),
        notes=tuple(notes),
        parts=(frame,),
        end=len(data) if end is None else end,
        channels=1,
    )


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _walk(data: bytes, position: int) -> tuple[HeaderPart, int | None, int]:
    """The first frame, where the file ends (None: no trailer), and the number of frames."""
    first, frames = None, 0
    for _ in range(_MOST_BLOCKS):
        kind = data[position : position + 1]
        if kind == b";" and first is not None:
            return first, position + 1, frames
        start = position
        if kind == b"!":
            position = _after_blocks(data, position + 2)
        elif kind == b"," and position + 10 <= len(data):
            body = position + 10 + _palette_bytes(data[position + 9])
            position = _after_blocks(data, body + 1)
            first = first or HeaderPart(kind=b"frame", start=start, body=body, end=position)
            frames += 1
        else:
            break
        if position > len(data):
            break
    if first is None or (first.end > len(data)):
        raise (truncated if position > len(data) else broken)("The GIF ends before its first frame is complete.")
    return first, None, frames


def _check_frame(data: bytes, frame: HeaderPart) -> bool:
    """Whether the frame covers the canvas; one that leaves it is refused."""
    canvas_width, canvas_height = struct.unpack_from("<HH", data, 6)
    left, top, width, height = struct.unpack_from("<HHHH", data, frame.start + 1)
    if left + width > canvas_width or top + height > canvas_height:
        raise broken("The GIF's first frame leaves its canvas.")
    covers: bool = (width, height) == (canvas_width, canvas_height)
    return covers


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


def holds_every_row(data: bytes, header: Header) -> bool:
    """Whether the first frame's codes stand for as many pixels as it has; only lengths are followed, no pixel kept."""
    frame = header.parts[0]
    width, height = struct.unpack_from("<HH", data, frame.start + 5)
    needed: int = width * height
    return _coded_pixels(data[frame.body], _joined_blocks(data, frame.body + 1), needed) >= needed


def is_interlaced(data: bytes, header: Header) -> bool:
    """Whether the first frame's last row need not be its last in the stream."""
    return bool(data[header.parts[0].start + 9] & 0x40)


def _joined_blocks(data: bytes, position: int) -> bytes:
    blocks = []
    while position < len(data) and data[position]:
        blocks.append(data[position + 1 : position + 1 + data[position]])
        position += 1 + data[position]
    return b"".join(blocks)


def _coded_pixels(code_size: int, coded: bytes, enough: int) -> int:
    """How many pixels an LZW stream stands for, counted until there are enough."""
    if not 1 <= code_size <= 11:
        return 0
    clear = 1 << code_size
    lengths: list[int] = []
    total = held = held_bits = last = 0
    width = code_size + 1
    for byte in coded:
        held |= byte << held_bits
        held_bits += 8
        while held_bits >= width:
            code = held & ((1 << width) - 1)
            held >>= width
            held_bits -= width
            if code == clear:
                lengths, width, last = [1] * clear + [0, 0], code_size + 1, 0
                continue
            if code == clear + 1 or code > len(lengths):
                return total
            length = lengths[code] if code < len(lengths) else last + 1
            total += length
            if total >= enough:
                return total
            if last and len(lengths) < 4096:
                lengths.append(last + 1)
                if len(lengths) == 1 << width and width < 12:
                    width += 1
            last = length
    return total
