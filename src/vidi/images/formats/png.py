"""PNG: its chunks, their checksums, and whether the coded stream holds every row."""

import struct
import zlib

from vidi.errors import ImageError
from vidi.images.formats.header import Header, HeaderPart, broken, orientation_of, truncated
from vidi.images.limits import Limits

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MOST_CHUNKS = 100_000
_PIECE = 1 << 20
# Adam7: (first row, first column, row step, column step) of the seven passes.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def read_png(data: bytes, _limits: Limits) -> Header:
    """The header of a PNG: size, orientation, and chunks that are whole and in order.

    Raises:
        ImageError: `truncated`, `broken`, `no-pixels` or `metadata-too-large`.
    """
    parts, notes = _walk(data)
    if not parts or parts[0].kind != b"IHDR" or parts[0].end - parts[0].start != 25:
        raise broken("The PNG does not begin with its header chunk.")
    width, height, depth, colour, method, filters, interlace = struct.unpack_from(">IIBBBBB", data, parts[0].body)
    if depth not in _DEPTHS.get(colour, ()):
        raise broken(f"The PNG states {depth} bits and colour type {colour}, which do not exist together.")
    if method or filters or interlace > 1:
        raise broken("The PNG states a compression, filter or interlace method that does not exist.")
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The PNG is {width} x {height} pixels.", "Leave the file out.")
    if max(height, width) > 2**31 - 1:
        raise broken(f"The PNG states {width} x {height} pixels; its format ends at 2^31 - 1 a side.")
    kinds = {part.kind for part in parts}
    if b"IDAT" not in kinds:
        raise (truncated if "end-missing" in notes else broken)("The PNG holds no image data.")
    if colour == 3 and b"PLTE" not in kinds:
        raise broken("The PNG has a palette image without a palette.")
    if b"acTL" in kinds:
        notes.append("first-frame")
    exif = next(((part.body, part.end - 4) for part in parts if part.kind == b"eXIf"), (0, 0))
    return Header(
        format="PNG",
        stored_size=(height, width),
        orientation=orientation_of(data[slice(*exif)]),
        exif=exif,
        notes=tuple(notes),
        parts=tuple(parts),
        end=parts[-1].end,
        channels=_CHANNELS[colour],
        sample_bits=depth,
    )


def _walk(data: bytes) -> tuple[list[HeaderPart], list[str]]:
    """The chunks up to the end chunk; those that carry pixels with their checksums proven."""
    parts: list[HeaderPart] = []
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if length > 2**31 - 1 or not kind.isalpha():
            raise broken(f"At byte {position:,} of the PNG stands a chunk that claims {length:,} bytes.")
        part = HeaderPart(kind=kind, start=position, body=position + 8, end=position + 12 + length)
        if part.end > len(data):
            if kind == b"IEND":
                break
            raise truncated(f"The PNG ends after {len(data):,} bytes, within its chunk {kind.decode()}.")
        if not kind[0] & 32 and zlib.crc32(memoryview(data)[position + 4 : part.end - 4]) != _number(data, part.end):
            raise broken(f"The checksum of the PNG's chunk {kind.decode()} is wrong.")
        parts.append(part)
        position = part.end
        if kind == b"IEND":
            return parts, ["bytes-after-end"] if position < len(data) else []
        if len(parts) > _MOST_CHUNKS:
            raise broken(f"The PNG has more than {_MOST_CHUNKS:,} chunks.")
    return parts, ["end-missing"]


def _number(data: bytes, end: int) -> int:
    return int.from_bytes(data[end - 4 : end], "big")


def only_pixels(data: bytes, header: Header) -> bytes:
    """The file without text, EXIF, profiles, animation and what follows the end."""
    kept = [data[part.start : part.end] for part in header.parts if part.kind in _PIXEL_CHUNKS]
    if header.parts[-1].kind != b"IEND":
        kept.append(b"\0\0\0\0IEND\xaeB`\x82")
    return b"".join([data[:8], *kept])


def profile(data: bytes, header: Header, limits: Limits) -> bytes | None:
    """The inflated colour profile; None where there is none, it is damaged, or it grows over the limit."""
    part = next((part for part in header.parts if part.kind == b"iCCP"), None)
    if part is None:
        return None
    name, _, rest = data[part.body : part.end - 4].partition(b"\0")
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(rest[1:], limits.metadata_bytes)
    except zlib.error:
        return b""
    return inflated if inflater.eof and len(name) < 80 else b""


def holds_every_row(data: bytes, header: Header) -> bool:
    """Whether the coded stream inflates to at least as many bytes as the header asks for; nothing is kept."""
    needed = _stream_bytes(header, interlaced=is_interlaced(data, header))
    inflater = zlib.decompressobj()
    for part in header.parts:
        if part.kind != b"IDAT":
            continue
        rest = data[part.body : part.end - 4]
        while rest and needed > 0 and not inflater.eof:
            try:
                needed -= len(inflater.decompress(rest, _PIECE))
            except zlib.error:
                return False
            rest = inflater.unconsumed_tail
    return needed - len(inflater.flush(_PIECE) if needed > 0 else b"") <= 0


def _stream_bytes(header: Header, *, interlaced: bool) -> int:
    height, width = header.stored_size
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for row, column, row_step, column_step in passes:
        rows, columns = -(-(height - row) // row_step), -(-(width - column) // column_step)
        if rows > 0 and columns > 0:
            total += rows * (1 + -(-columns * header.channels * header.sample_bits // 8))
    return total


def is_interlaced(data: bytes, header: Header) -> bool:
    """Whether the last row need not be the last in the stream."""
    return data[header.parts[0].body + 12] == 1
