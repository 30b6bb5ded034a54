"""JPEG: the markers, walked without decoding."""

import struct
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from vidi.errors import ImageError
from vidi.images.formats.header import (
    Header,
    HeaderPart,
    broken,
    metadata_too_large,
    orientation_of,
    truncated,
    unsupported,
)
from vidi.images.limits import Limits

SOI, EOI, SOS, APP1, APP2, APP14 = 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xEE
_TABLES = (0xC4, 0xDB, 0xDD, 0xCC)  # Huffman, quantisation, restart interval, arithmetic conditioning
_FRAMES = {
    0xC0: "baseline",
    0xC1: "extended sequential",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC5: "hierarchical sequential",
    0xC6: "hierarchical progressive",
    0xC7: "hierarchical lossless",
    0xC9: "arithmetic-coded sequential",
    0xCA: "arithmetic-coded progressive",
    0xCB: "arithmetic-coded lossless",
    0xCD: "hierarchical arithmetic-coded sequential",
    0xCE: "hierarchical arithmetic-coded progressive",
    0xCF: "hierarchical arithmetic-coded lossless",
}
_DECIDING = (*_FRAMES, *_TABLES, SOS)  # what the pixels are made of
_DECODED = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
# Behind 0xFF: a stuffed zero, a mark that stands alone (temporary, restart), a fill byte.
_NO_SEGMENT = frozenset(bytes((code,)) for code in (0x00, 0x01, *range(0xD0, 0xD8), 0xFF))
_PIECE = 1 << 20  # bytes looked through at once for markers
MOST_SEGMENTS = 20_000  # a real file has at most some hundreds; each costs time and memory
STRAY_BYTES = "stray-bytes"


def read_jpeg(data: bytes, limits: Limits) -> Header:
    """The header of a JPEG: frame, orientation and number of scans, from its markers alone.

    Raises:
        ImageError: `truncated`, `broken`, `unsupported-format`, `no-pixels`, `too-many-scans` or `metadata-too-large`.
    """
    parts, end, is_odd = _walk(data, limits)
    frames = [part for part in parts if part.kind[0] in _FRAMES]
    scans = sum(part.kind[0] == SOS for part in parts)
    if not scans:
        raise truncated(f"The JPEG ends after {len(data):,} bytes, before the first scan.")
    if len(frames) != 1:
        raise broken("The JPEG has no frame header." if not frames else "The JPEG has two frame headers.")
    frame = frames[0]
    if frame.start > next(part.start for part in parts if part.kind[0] == SOS):
        raise broken("The JPEG's frame header stands behind its first scan.")
    height, width, channels = _read_frame(data, frame)
    is_baseline = frame.kind[0] in (0xC0, 0xC1) and scans == 1
    is_complete = end is not None
    end = len(data) if end is None else end
    found = {STRAY_BYTES: is_odd, "bytes-after-end": is_complete and end < len(data)}
    notes = tuple(note for note, is_so in found.items() if is_so)
    exif = _find_exif(data, parts)
    return Header(
        format="JPEG",
        stored_size=(height, width),
        orientation=orientation_of(data[slice(*exif)]),
        exif=exif,
        notes=notes,
        parts=tuple(parts),
        end=end,
        scans=scans,
        is_baseline=is_baseline,
        channels=channels,
        is_complete=is_complete,
        coded_bytes=0 if is_baseline else 2 * _coefficients(data, frame, height * width),
    )


def _walk(data: bytes, limits: Limits) -> tuple[list[HeaderPart], int | None, bool]:
    """All segments with the coded data under their scan, where the image ends (None: no end mark), and oddities.

    Where a segment does not end at a marker, the walk goes on at the next one, as libjpeg-turbo does.
    """
    parts: list[HeaderPart] = []
    position, scans, is_odd = 2, 0, False
    markers = _Markers(data)
    while True:
        due = position
        position = markers.next_from(due)
        is_odd = is_odd or not _are_fill_bytes(data, due, position)
        if position + 1 >= len(data):
            return parts, None, is_odd
        marker, position = data[position + 1], position + 2
        if marker == EOI:
            return parts, position, is_odd
        if marker == SOI:
            raise broken(f"At byte {position:,} of the JPEG a second image starts within the first.")
        if scans and marker not in _DECIDING and _is_cut(data, position):
            return parts, None, is_odd  # it decides no pixel: whether all are there shows when they are decoded
        body, end = _segment(data, position, marker)
        is_odd = is_odd or data[position : position + 2] in (b"\0\0", b"\0\1")
        if marker == SOS:
            scans += 1
            if scans > limits.jpeg_scans:
                raise too_many_scans(limits)
            end = markers.next_from(end)
        parts.append(HeaderPart(kind=bytes((marker,)), start=position - 2, body=body, end=end))
        if len(parts) > MOST_SEGMENTS:
            raise metadata_too_large(f"The JPEG has more than {MOST_SEGMENTS:,} segments.")
        position = end


def _are_fill_bytes(data: bytes, start: int, end: int) -> bool:
    """Whether nothing but 0xFF lies between a segment and the marker after it: any number may stand there."""
    return start == end or data.count(b"\xff", start, end) == end - start


def _is_cut(data: bytes, position: int) -> bool:
    return position + 2 > len(data) or position + struct.unpack_from(">H", data, position)[0] > len(data)


def _segment(data: bytes, position: int, marker: int) -> tuple[int, int]:
    """Where a segment's content starts and ends; one without a valid length that may be skipped has no content."""
    if _is_cut(data, position):
        raise truncated(f"The JPEG ends after {len(data):,} bytes, within a segment.")
    (length,) = struct.unpack_from(">H", data, position)
    if length < 2:
        if marker in _DECIDING:
            raise broken(f"At byte {position:,} of the JPEG stands a segment of length {length}.")
        return position + 2, position + 2
    return position + 2, position + length


class _Markers:
    """Where markers stand: looked for all together where the next byte is none, since scans follow each other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.places: list[int] = []
        self.pieces: Iterator[list[int]] | None = None

    def next_from(self, position: int) -> int:
        """The first marker at or behind a position, which never decreases; else the end of the file."""
        if self.data[position : position + 1] == b"\xff" and _is_marker(self.data[position + 1 : position + 2]):
            return position
        self.pieces = self.pieces or _marker_places(self.data, position)
        while not self.places or self.places[-1] < position:
            piece = next(self.pieces, None)
            if piece is None:
                return len(self.data)
            self.places = piece
        return self.places[bisect_left(self.places, position)]


def _is_marker(following: bytes) -> bool:
    """Whether a byte behind 0xFF makes a marker with a segment, or that of an image's start or end."""
    return following not in _NO_SEGMENT and following != b""


def _marker_places(data: bytes, start: int) -> Iterator[list[int]]:
    """Positions of 0xFF before anything but a byte that makes no segment, piece by piece."""
    whole = np.frombuffer(data, np.uint8)
    for piece in range(start, len(data) - 1, _PIECE):
        last = min(piece + _PIECE, len(data) - 1)
        places = np.flatnonzero(whole[piece:last] == 0xFF) + piece
        following = whole[places + 1]
        is_marker = (following > 1) & ((following < 0xD0) | (following > 0xD7)) & (following != 0xFF)
        yield places[is_marker].tolist()


def _read_frame(data: bytes, frame: HeaderPart) -> tuple[int, int, int]:
    kind = _FRAMES[frame.kind[0]]
    if frame.end - frame.body < 6:
        raise broken("The JPEG's frame header is too short.")
    precision, height, width, channels = struct.unpack_from(">BHHB", data, frame.body)
    if frame.kind[0] not in _DECODED:
        raise unsupported(f"This is a {kind} JPEG, which is not read.")
    if precision != 8:
        raise unsupported(f"This JPEG has {precision} bits a sample; 8 are read.")
    if height == 0 or width == 0:
        raise ImageError("no-pixels", f"The JPEG is {width} x {height} pixels.", "Leave the file out.")
    if channels not in (1, 3, 4):
        raise unsupported(f"This JPEG has {channels} colour components; 1, 3 or 4 are read.")
    return height, width, channels


def _coefficients(data: bytes, frame: HeaderPart, pixel_count: int) -> int:
    """How many numbers a decoder must hold where several scans add to each other."""
    factors = (
        [byte >> 4 for byte in data[frame.body + 7 : frame.end : 3]],
        [byte & 15 for byte in data[frame.body + 7 : frame.end : 3]],
    )
    shares = sum(across * down for across, down in zip(*factors, strict=True))
    return pixel_count * shares // max(1, max(factors[0], default=1) * max(factors[1], default=1))


def _find_exif(data: bytes, parts: list[HeaderPart]) -> tuple[int, int]:
    """Where the first EXIF block before the pixels begins and ends."""
    for part in parts:
        if part.kind[0] == APP1 and data.startswith(b"Exif\0\0", part.body):
            return part.body + 6, part.end  # a second mark, as some programs write, is no harm
        if part.kind[0] == SOS:
            break
    return 0, 0


def too_many_scans(limits: Limits) -> ImageError:
    """The refusal of a JPEG that walks over its pixels too often."""
    return ImageError(
        "too-many-scans",
        f"The JPEG is coded in more than {limits.jpeg_scans} scans.",
        "Save it again as an ordinary JPEG, or raise `Limits.jpeg_scans`.",
    )


def only_pixels(data: bytes, header: Header) -> bytes:
    """The file without what does not decide the pixels: no EXIF, text, thumbnails or further images.

    The decoder then never parses what others wrote there, and has nothing to warn of. An end mark is added
    where it is missing.
    """
    kept = [b"\xff\xd8"]
    for part in header.parts:
        marker = part.kind[0]
        is_adobe = marker == APP14 or (marker == 0xE0 and data.startswith(b"JFIF\0", part.body))
        if marker in _DECIDING or is_adobe:
            kept.append(data[part.start : part.end])
    kept.append(b"\xff\xd9")
    return b"".join(kept)


def profile(data: bytes, header: Header, limits: Limits) -> bytes | None:
    """The colour profile, joined from its segments; None where there is none, or none that is whole."""
    name = b"ICC_PROFILE\0"
    pieces = {
        data[part.body + 12]: data[part.body + 14 : part.end]
        for part in header.parts
        if part.kind[0] == APP2 and data.startswith(name, part.body) and part.end - part.body > 14
    }
    joined = b"".join(pieces[number] for number in sorted(pieces))
    return joined if 0 < len(joined) <= limits.metadata_bytes else None
