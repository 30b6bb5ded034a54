"""WebP: its RIFF chunks."""

import struct

from vidi.errors import ImageError
from vidi.images.formats.header import Header, HeaderPart, Size, broken, orientation_of, truncated
from vidi.images.limits import Limits

_IMAGE_CHUNKS = (b"VP8 ", b"VP8L", b"ANMF")


def read_webp(data: bytes, limits: Limits) -> Header:
    """The header of a WebP.

    Raises:
        ImageError: `truncated`, `broken` or `no-pixels`.
    """
    parts = _walk(data)
    image = next((part for part in parts if part.kind in _IMAGE_CHUNKS), None)
    extended = next((part for part in parts if part.kind == b"VP8X"), None)
    if image is None:
        _check_canvas(data, extended, limits)
        raise truncated("The WebP ends before its image data.")
    size = _canvas(data, extended) if extended else _size(data, image)
    exif = next(((part.body, part.end) for part in parts if part.kind == b"EXIF"), (0, 0))
    end = parts[-1].end + (parts[-1].end & 1)
    stated = struct.unpack_from("<I", data, 4)[0] + 8
    notes = ["first-frame"] if sum(part.kind == b"ANMF" for part in parts) > 1 else []
    if stated < len(data):
        notes.append("bytes-after-end")
    elif stated > end:
        notes.append("size-differs")
    return Header(
        format="WebP",
        stored_size=size,
        orientation=orientation_of(data[slice(*exif)]),
        exif=exif,
        notes=tuple(notes),
        parts=tuple(parts),
        end=end,
        channels=4,
    )


def _walk(data: bytes) -> list[HeaderPart]:
    """The chunks within the stated length, or within the file where that is shorter."""
    (stated,) = struct.unpack_from("<I", data, 4)
    last = min(len(data), stated + 8)
    parts: list[HeaderPart] = []
    position = 12
    while position + 8 <= last:
        kind, length = struct.unpack_from("<4sI", data, position)
        part = HeaderPart(kind=kind, start=position, body=position + 8, end=position + 8 + length)
        if part.end > len(data):
            if kind in (*_IMAGE_CHUNKS, b"VP8X", b"ALPH"):
                raise truncated(f"The WebP ends after {len(data):,} bytes, within its image data.")
            break
        parts.append(part)
        position = part.end + (length & 1)
    return parts


def _check_canvas(data: bytes, extended: HeaderPart | None, limits: Limits) -> None:
    """A size alone is enough to refuse, also where nothing follows it."""
    if extended is None:
        return
    height, width = _canvas(data, extended)
    if height * width > limits.pixels:
        raise ImageError(
            "too-many-pixels",
            f"The WebP is {width} x {height} pixels; {limits.pixels:,} are the most.",
            "Make it smaller, or raise `Limits.pixels`.",
        )


def _canvas(data: bytes, part: HeaderPart) -> Size:
    if part.end - part.body < 10:
        raise broken("The WebP's canvas header is too short.")
    return (
        int.from_bytes(data[part.body + 7 : part.body + 10], "little") + 1,
        int.from_bytes(data[part.body + 4 : part.body + 7], "little") + 1,
    )


def _size(data: bytes, part: HeaderPart) -> Size:
    body = data[part.body : min(part.end, part.body + 10)]
    if part.kind == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if part.kind == b"VP8 " and len(body) == 10 and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        if not width & 0x3FFF or not height & 0x3FFF:
            raise ImageError("no-pixels", "The WebP has a side of 0 pixels.", "Leave the file out.")
        return height & 0x3FFF, width & 0x3FFF
    raise broken("The WebP's image data does not begin as it must.")


def only_pixels(data: bytes, header: Header) -> bytes:
    """The file with its first frame alone, without profile, EXIF and XMP."""
    kept: list[bytes] = []
    for part in header.parts:
        if part.kind not in (b"VP8X", b"ALPH", b"ANIM", *_IMAGE_CHUNKS):
            continue
        chunk = data[part.start : part.end]
        if part.kind == b"VP8X":  # clear the flags of what is left out: profile, EXIF, XMP
            chunk = chunk[:8] + bytes((chunk[8] & ~0x2C,)) + chunk[9:]
        kept.append(chunk + b"\0" * (len(chunk) & 1))
        if part.kind in _IMAGE_CHUNKS:
            break
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def profile(data: bytes, header: Header, limits: Limits) -> bytes | None:
    """The colour profile; None where there is none, empty where it is over the limit."""
    part = next((part for part in header.parts if part.kind == b"ICCP"), None)
    if part is None:
        return None
    return data[part.body : part.end] if part.end - part.body <= limits.metadata_bytes else b""
