"""Bad and odd image files, made from the formats' own rules: each with the verdict that it must get."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Case:
    """One made file; `codes` empty: it must be used, or `may_be_used` as well."""

    name: str
    data: bytes
    codes: tuple[str, ...] = ()
    may_be_used: bool = False
    shows_quarters: bool = False
    notes: tuple[str, ...] = ()  # that must be given


def quarters(height: int = 24, width: int = 32) -> Array:
    """Red, green over blue, white: shows turns, channel order and inversion."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = 255
    image[: height // 2, width // 2 :, 1] = 255
    image[height // 2 :, : width // 2, 2] = 255
    image[height // 2 :, width // 2 :] = 255
    return image


def grain(height: int = 40, width: int = 56, seed: int = 1) -> Array:
    """Noise over a slope: data that no coder can leave out."""
    random = np.random.default_rng(seed)
    slope = np.linspace(0, 200, width)[None, :, None] + random.integers(0, 56, (height, width, 3))
    return slope.astype(np.uint8)


def saved(image: Array | Image.Image, format: str, options: dict[str, object] | None = None) -> bytes:
    """The bytes of an image file as Pillow writes it."""
    stream = io.BytesIO()
    whole = image if isinstance(image, Image.Image) else Image.fromarray(image)
    settings: dict[str, object] = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    whole.save(stream, format, **(settings | (options or {})))  # type: ignore[arg-type]
    return stream.getvalue()


# -- JPEG -------------------------------------------------------------------------------------------------------------


def jpeg_segments(data: bytes) -> list[tuple[int, bytes]]:
    """(marker, content) of every segment; the content of a scan includes its coded bytes."""
    found, place = [], 2
    while data[place + 1] != 0xD9:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        end = place + 2 + length
        if marker == 0xDA:
            while data[end] != 0xFF or data[end + 1] == 0 or 0xD0 <= data[end + 1] <= 0xD7:
                end += 1
        found.append((marker, data[place + 4 : end]))
        place = end
    return found


def jpeg_of(segments: list[tuple[int, bytes]]) -> bytes:
    """A JPEG of segments; a scan's length is that of its header alone."""
    out = b"\xff\xd8"
    for marker, content in segments:
        length = 2 + (1 + 2 * content[0] + 3 if marker == 0xDA else len(content))
        out += bytes((0xFF, marker)) + struct.pack(">H", length) + content
    return out + b"\xff\xd9"


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with one more segment behind its start."""
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + data[2:]


def changed_frame(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A JPEG whose frame header's content went through a change."""
    return jpeg_of([(m, change(c) if m in (0xC0, 0xC2) else c) for m, c in jpeg_segments(data)])


def many_scans(count: int, side: int = 64) -> bytes:
    """A grey progressive JPEG: one scan for the means, then `count` empty ones for everything else."""
    blocks = (side // 8) ** 2
    frame = struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0)
    dc_table = b"\x00\x01" + bytes(15) + b"\x00"  # one code, `0`: no change
    ac_table = b"\x10\x00\x01" + bytes(14) + b"\xe0"  # one code, `00`: 2^14 blocks are over, plus 14 bits
    first = (0xDA, bytes((1, 1, 0, 0, 0, 0)) + bytes(-(-blocks // 8)))
    empty = (0xDA, bytes((1, 1, 0, 1, 63, 0)) + bytes(2))
    tables = [(0xDB, b"\0" + b"\x10" * 64), (0xC2, frame), (0xC4, dc_table), (0xC4, ac_table)]
    return jpeg_of([*tables, first, *[empty] * count])


def exif(orientation: int, order: str = "<") -> bytes:
    """An EXIF block that says one thing."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


# -- PNG --------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(  # the header's own fields, in its own order
    size: tuple[int, int], rows: bytes, *, depth: int = 8, colour: int = 2, extra: bytes = b"", end: bool = True
) -> bytes:
    """A PNG of raw rows (each with its filter byte); `rows` is compressed here."""
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, 0)
    tail = chunk(b"IEND") if end else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + tail


def rows_of(samples: NDArray[np.generic]) -> bytes:
    """Rows of samples with filter 0 in front."""
    return b"".join(b"\0" + row.tobytes() for row in samples)


def zero_stream(length: int) -> bytes:
    """So many zero bytes, compressed piece by piece."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(min(1 << 20, length - done))) for done in range(0, length, 1 << 20)]
    return b"".join(pieces) + packer.flush()


def png_around(stream: bytes, size: tuple[int, int], *, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG around a stream that is already compressed."""
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", stream) + chunk(b"IEND")


# -- TIFF, GIF, BMP ---------------------------------------------------------------------------------------------------


def tiff(
    samples: NDArray[np.generic], *, change: dict[int, tuple[int, int, int]] | None = None, more: int = 0
) -> bytes:
    """A little-endian TIFF of one strip. `change`: {tag: (type, count, value)}; `more`: where a second page stands."""
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    bits, kind = samples.dtype.itemsize * 8, {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    after = 8 + 2 + 12 * 10 + 4
    several = channels > 1
    tags = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, channels, after if several else bits),
        259: (3, 1, 1),
        262: (3, 1, 2 if several else 1),
        273: (4, 1, after + 16),
        277: (3, 1, channels),
        278: (4, 1, height),
        279: (4, 1, samples.nbytes),
        339: (3, channels, after + 8 if several else kind),
    } | (change or {})
    entries = b"".join(struct.pack("<HHII", name, *value) for name, value in sorted(tags.items()))
    lists = struct.pack("<4H4H", *[bits] * 4, *[kind] * 4)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", more) + lists + samples.tobytes()


def gif(size: tuple[int, int], frames: list[bytes], *, palette: bool = True, code_size: int = 2) -> bytes:
    """A GIF of frames, each the LZW bytes of the whole canvas."""
    head = b"GIF89a" + struct.pack("<HHBBB", size[1], size[0], 0x80 if palette else 0, 0, 0)
    body = b"".join(
        b"," + struct.pack("<HHHHBB", 0, 0, size[1], size[0], 0, code_size) + bytes((len(f),)) + f + b"\0"
        for f in frames
    )
    return head + (b"\0\0\0\xff\xff\xff" if palette else b"") + body + b";"


def bmp(size: tuple[int, int], bits: int, content: bytes, *, compression: int = 0, palette: bytes = b"") -> bytes:
    """A BMP with the common 40-byte header; a negative height means top-down."""
    offset = 54 + len(palette)
    colours = len(palette) // 4
    info = struct.pack("<IiiHHIIiiII", 40, size[1], size[0], 1, bits, compression, len(content), 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(content), 0, 0, offset) + info + palette + content


def damaged(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Copies damaged without a rule: bits, bytes, runs and words changed, cut out or doubled."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(int(random.integers(1, 10))):
            place, length = int(random.integers(len(copy))), int(random.integers(1, 40))
            match int(random.integers(5)):
                case 0:
                    copy[place] ^= 1 << int(random.integers(8))
                case 1:
                    copy[place : place + length] = random.bytes(length)
                case 2:
                    del copy[place : place + min(length, len(copy) - 20)]
                case 3:
                    copy[place:place] = copy[place : place + length]
                case _:
                    copy[place % 48 : place % 48 + 4] = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")[
                        length % 3
                    ]
        yield bytes(copy)
