"""The kind of a file from its first bytes, what its header says, and the refusals that all formats share."""

import contextlib
import re
import struct
from dataclasses import dataclass

from vidi.errors import ImageError

Size = tuple[int, int]  # (height, width), pixels

COPY_AGAIN = "Copy the file again from its source, or leave it out; `vidi check` lists all such files."
ORIENTATION, EXIF_FOLDER = 0x0112, 0x8769
TEXT, SHORT = 2, 3  # types of EXIF's fields
MOST_ENTRIES, MOST_TEXT = 500, 256  # a camera writes some dozens of short ones


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
    exif: tuple[int, int] = (0, 0)  # where the EXIF block begins and ends
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


def read_exif(exif: bytes) -> dict[int, int | str]:
    """The short numbers and texts of a TIFF-shaped EXIF block and of the folder within it, as far as it is whole.

    >>> read_exif(b"II*\\0\\x08\\0\\0\\0\\x01\\0\\x12\\x01\\x03\\0\\x01\\0\\0\\0\\x06\\0\\0\\0")
    {274: 6}
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(exif[:4]))
    fields: dict[int, int | str] = {}
    if order is None:
        return fields
    with contextlib.suppress(struct.error):
        folders = list(struct.unpack_from(f"{order}I", exif, 4))
        for folder in folders:  # the first one may name the second
            (count,) = struct.unpack_from(f"{order}H", exif, folder)
            for at in range(folder + 2, folder + 2 + 12 * min(count, MOST_ENTRIES), 12):
                tag, kind, length, value = struct.unpack_from(f"{order}HHII", exif, at)
                if tag == EXIF_FOLDER and len(folders) == 1:
                    folders.append(value)
                elif (kind, length) == (SHORT, 1):
                    fields.setdefault(tag, struct.unpack_from(f"{order}H", exif, at + 8)[0])
                elif kind == TEXT and length <= MOST_TEXT:
                    start = value if length > 4 else at + 8
                    text = bytes(exif[start : start + length]).split(b"\0")[0].decode("latin-1")
                    fields.setdefault(tag, text.strip())
    return fields


def orientation_of(exif: bytes) -> int:
    """The orientation, 1 to 8, that an EXIF block states; 1 where it is damaged or says nothing."""
    value = read_exif(exif).get(ORIENTATION)
    return valid_orientation(value) if isinstance(value, int) else 1


def valid_orientation(value: int) -> int:
    """The value where it is one of the eight, else 1: as stored."""
    return value if 1 <= value <= 8 else 1


MOST_LEADING = 64  # how far a signature is looked for behind bytes that do not belong there

READ = "JPEG, PNG, GIF, WebP, BMP, TIFF, PNM and AVIF"

_READ_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
)
_PNM = re.compile(rb"P[1-6][\s#]")

_RAW = "Export it as JPEG from the camera's or a photo program."
_CONVERT = "Convert it to PNG or JPEG."

# What is known and not read: (signature, its offset, name, remedy).
_OTHER_IMAGES: tuple[tuple[bytes, int, str, str], ...] = (
    (b"\xff\x0a", 0, "JPEG XL", _CONVERT),
    (b"\0\0\0\x0cJXL ", 0, "JPEG XL", _CONVERT),
    (b"\0\0\0\x0cjP  ", 0, "JPEG 2000", _CONVERT),
    (b"\xff\x4f\xff\x51", 0, "JPEG 2000", _CONVERT),
    (b"8BPS", 0, "Photoshop (PSD)", "Export it as PNG or JPEG."),
    (b"v/1\x01", 0, "OpenEXR", "Convert it to PNG or JPEG with a stated exposure."),
    (b"#?RADIANCE", 0, "Radiance HDR", _CONVERT),
    (b"\0\0\x01\0", 0, "Windows icon (ICO)", _CONVERT),
    (b"\0\0\x02\0", 0, "Windows cursor (CUR)", _CONVERT),
    (b"icns", 0, "Apple icon (ICNS)", _CONVERT),
    (b"qoif", 0, "QOI", _CONVERT),
    (b"DDS ", 0, "DirectDraw surface (DDS)", _CONVERT),
    (b"P7\n", 0, "PAM", _CONVERT),
    (b"PF\n", 0, "PFM", _CONVERT),
    (b"Pf\n", 0, "PFM", _CONVERT),
    (b"FUJIFILMCCD-RAW", 0, "camera raw (Fujifilm RAF)", _RAW),
    (b"IIRO", 0, "camera raw (Olympus ORF)", _RAW),
    (b"IIU\0", 0, "camera raw (Panasonic RW2)", _RAW),
    (b"\0MRM", 0, "camera raw (Minolta MRW)", _RAW),
    (b"FOVb", 0, "camera raw (Sigma X3F)", _RAW),
    (b"II\xbc", 0, "JPEG XR", _CONVERT),
)
_NO_IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"SIMPLE  =", "FITS data; convert it to PNG with a stated range of values"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript program (EPS)"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript program (EPS)"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a program (Windows)"),
    (b"\x80\x04\x95", "a Python pickle, which is never opened"),
    (b"\x80\x05\x95", "a Python pickle, which is never opened"),
    (b"\x80\x02", "a Python pickle, which is never opened"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the real file with `git lfs pull`"),
    (b"HTTP/", "an HTTP answer, perhaps of a failed download"),
    (b"SQLite format 3", "a database (SQLite)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x1aE\xdf\xa3", "a video (Matroska)"),
    (b"ID3", "a sound file (MP3)"),
    (b"OggS", "a sound file (Ogg)"),
)
_BRANDS: dict[bytes, tuple[str, str]] = {
    b"crx ": ("camera raw (Canon CR3)", _RAW),
    b"jxl ": ("JPEG XL", _CONVERT),
}


def sniff(data: bytes) -> str:
    """The format that the first bytes tell, one of those that are read.

    Raises:
        ImageError: `empty`, `not-an-image` (saying what it looks like) or `unsupported-format` (naming it).

    >>> sniff(b"GIF89a...")
    'GIF'
    """
    if not data:
        raise ImageError("empty", "The file has no bytes.", "Copy the file again from its source.")
    found = _format_read(data)
    if found is not None:
        return found
    _refuse_other_images(data)
    raise ImageError("not-an-image", *_looks_like(data))


def _format_read(data: bytes) -> str | None:
    for signature, name in _READ_FORMATS:
        if data.startswith(signature):
            return name
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if _PNM.match(data):
        return "PNM"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "AVIF"
    if data[4:8] == b"ftyp" and (data[8:12] in (b"mif1", b"msf1") or data[8:10] == b"he"):
        return "AVIF" if b"avif" in data[16:64] else "HEIC"
    return None


def _refuse_other_images(data: bytes) -> None:
    for signature, offset, name, remedy in _OTHER_IMAGES:
        if data.startswith(signature, offset):
            raise unsupported(f"This is a {name} file; {READ} are read.", remedy)
    if data[4:8] == b"ftyp":
        brand = bytes(data[8:12])
        name, remedy = _BRANDS.get(brand, ("MP4 or another video", "Cut single images out of the video first."))
        raise unsupported(f"This is a file of the kind {name}; {READ} are read.", remedy)
    if data.startswith(b"#define ") and b"_width " in data[:200]:
        raise ImageError("not-an-image", "It looks like C source (an XBM bitmap).", "Convert it to PNG.")


def _looks_like(data: bytes) -> tuple[str, str]:
    """Cause and remedy for content that is no image."""
    remedy = "Leave the file out, or put the right one in its place."
    for signature, name in _NO_IMAGES:
        if data.startswith(signature):
            return f"It looks like {name}.", remedy
    for signature, name in (*_READ_FORMATS[:4], (b"RIFF", "WebP")):
        if (place := data.find(signature, 0, MOST_LEADING)) > 0:
            return f"{place} bytes stand before the {name} signature.", "Copy the file again in binary mode."
    if data.startswith(b"DICM", 128):
        return "It looks like a DICOM file.", "Convert it to PNG with a stated window of values."
    if data.count(0) == len(data):
        return f"All its {len(data):,} bytes are zero.", "Copy the file again from its source."
    return _looks_like_text(data), remedy


def _looks_like_text(data: bytes) -> str:
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for sign, name in ((b"<!doctype html", "a web page"), (b"<html", "a web page"), (b"<svg", "an SVG drawing")):
        if start.startswith(sign):
            return f"It looks like {name}."
    if start.startswith(b"<") and b"<svg" in start:
        return "It looks like an SVG drawing."
    if start.startswith((b"{", b"[")):
        return "It looks like JSON."
    if start.startswith(b"<?xml"):
        return "It looks like XML."
    text = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in data[:1000])
    if text >= 0.95 * min(len(data), 1000):
        return "It looks like text."
    return f"Its first bytes belong to no known image format ({data[:8].hex(' ')})."
