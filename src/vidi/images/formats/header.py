"""What a header tells, and the refusals that all formats share."""

import struct
from dataclasses import dataclass

from vidi.errors import ImageError

Size = tuple[int, int]  # (height, width), pixels

COPY_AGAIN = "Copy the file again from its source, or leave it out; `vidi check` lists all such files."
ORIENTATION = 0x0112
MOST_ENTRIES = 500  # a camera writes some dozens


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPart:
    """One segment, chunk or box of a file."""

    kind: bytes
    start: int  # where its frame starts, marker and length included
    body: int  # where its content starts
    end: int  # one past its last byte, checksum included


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of an image before its pixels are decoded."""

    format: str  # JPEG, PNG, ...
    stored_size: Size  # (height, width) as the file holds it
    orientation: int = 1  # EXIF: 5 to 8 turn the image on its side
    notes: tuple[str, ...] = ()  # codes of `vidi.images.limits.NOTES`
    parts: tuple[HeaderPart, ...] = ()
    end: int = 0  # one past the last byte of the image
    scans: int = 1  # JPEG: how often the coded data walks over the image
    is_baseline: bool = False  # JPEG that can be decoded at reduced size without holding it all
    channels: int = 3
    is_complete: bool = True  # false: the file ends early, or only its end mark is missing
    sample_bits: int = 8
    coded_bytes: int = 0  # what the decoder holds beside the pixels: all coefficients of a progressive JPEG

    @property
    def size(self) -> Size:
        """(height, width) of the upright image."""
        height, width = self.stored_size
        return (width, height) if self.orientation >= 5 else (height, width)

    @property
    def pixel_count(self) -> int:
        return self.stored_size[0] * self.stored_size[1]


def truncated(sentence: str) -> ImageError:
    """The refusal of a file that ends early."""
    return ImageError(
        "truncated", sentence, f"{COPY_AGAIN} `--keep-truncated` uses what is there, where a part can be decoded."
    )


def broken(sentence: str) -> ImageError:
    """The refusal of a file that contradicts its own format."""
    return ImageError("broken", sentence, COPY_AGAIN)


def unsupported(sentence: str, remedy: str = "Convert it to PNG or JPEG.") -> ImageError:
    """The refusal of a format, or a kind of it, that is not read."""
    return ImageError("unsupported-format", sentence, remedy)


def metadata_too_large(sentence: str) -> ImageError:
    """The refusal of a file whose needed side data is over the limit."""
    return ImageError("metadata-too-large", sentence, "Remove its metadata, or raise `Limits.metadata_bytes`.")


def orientation_of(exif: bytes) -> int:
    """The orientation, 1 to 8, that a TIFF-shaped EXIF block states; 1 where it is damaged or says nothing.

    >>> orientation_of(b"II*\\0\\x08\\0\\0\\0\\x01\\0\\x12\\x01\\x03\\0\\x01\\0\\0\\0\\x06\\0\\0\\0")
    6
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(exif[:4]))
    if order is None or len(exif) < 10:
        return 1
    (offset,) = struct.unpack_from(order + "I", exif, 4)
    if offset + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, offset)
    for number in range(min(count, MOST_ENTRIES)):
        start = offset + 2 + 12 * number
        if start + 12 > len(exif):
            return 1
        tag, kind, values = struct.unpack_from(order + "HHI", exif, start)
        if tag == ORIENTATION:
            return (
                valid_orientation(struct.unpack_from(order + "H", exif, start + 8)[0])
                if (kind, values) == (3, 1)
                else 1
            )
    return 1


def valid_orientation(value: int) -> int:
    """The value where it is one of the eight, else 1: as stored."""
    return value if 1 <= value <= 8 else 1
