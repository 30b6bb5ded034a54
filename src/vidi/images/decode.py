"""The one decoder of every path: the bytes of a file in, upright RGB or a reason out."""

import importlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from vidi.errors import ImageError
from vidi.images.formats import gif, png
from vidi.images.formats.header import Header, Size, broken, orientation_of, truncated, unsupported
from vidi.images.formats.registry import FORMATS
from vidi.images.formats.signatures import sniff
from vidi.images.limits import DecodeOptions, Limits
from vidi.images.pixels.colour import to_rgb
from vidi.images.pixels.jpeg import decode_jpeg

Array = NDArray[np.uint8]

DEFAULT = DecodeOptions()
_TURNS = {  # EXIF orientation: (mirror left-right first, quarter turns counter-clockwise)
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}
_ROW_CHECKS = {"PNG": png, "GIF": gif}
# Python keeps one list of warning filters for all threads: only one thread at a time may change it.
_WARNINGS_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One image as vidi sees it."""

    image: Array  # (height, width, 3) uint8, upright RGB; perhaps at reduced scale
    size: Size  # (height, width) of the upright image at full scale
    notes: tuple[str, ...]  # codes of `vidi.images.limits.NOTES`
    format: str  # JPEG, PNG, ...


def read_header(data: bytes, options: DecodeOptions = DEFAULT) -> Header:
    """What an image file is and how large, without decoding a pixel.

    Raises:
        ImageError: the file is refused for what its header and its list of parts say.
    """
    limits = options.limits
    if len(data) > limits.file_bytes:
        raise file_too_large(len(data), limits)
    header = FORMATS[sniff(data)].read(data, limits)
    _check_limits(header, limits)
    return header


def _check_limits(header: Header, limits: Limits) -> None:
    most = limits.baseline_jpeg_pixels if header.is_baseline else limits.pixels
    if header.pixel_count > most:
        height, width = header.stored_size
        raise ImageError(
            "too-many-pixels",
            f"The {header.format} is {width:,} x {height:,} pixels; {most:,} in all are the most.",
            f"Make it smaller, or raise `Limits.{'baseline_jpeg_' if header.is_baseline else ''}pixels`.",
        )
    least_pixels = header.pixel_count // (64 if header.format == "JPEG" else 1)
    if (needed := _memory(header, least_pixels)) > limits.memory_bytes:
        raise ImageError(
            "too-much-memory",
            f"Decoding the {header.format} takes {needed:,} bytes; {limits.memory_bytes:,} are the most.",
            "Make the image smaller, or raise `Limits.memory_bytes`.",
        )


def too_much_memory() -> ImageError:
    """The refusal of an image for which this process has no memory."""
    return ImageError("too-much-memory", "Decoding it needs more memory than the limit.", "Make the image smaller.")


def file_too_large(byte_count: int, limits: Limits) -> ImageError:
    """The refusal of a file over the limit of bytes."""
    return ImageError(
        "too-much-memory",
        f"The file has {byte_count:,} bytes; {limits.file_bytes:,} are the most.",
        "Save it smaller, or raise `Limits.file_bytes`.",
    )


def decode_image(data: bytes, *, options: DecodeOptions = DEFAULT, at_least: Size | None = None) -> DecodedImage:
    """An image file as upright RGB.

    Args:
        data: the bytes of the file; the content decides its format, never a name.
        options: limits, background and what is done with damaged files.
        at_least: (height, width), upright: a large JPEG may come out reduced to 1/2, 1/4 or 1/8, never below this.

    Raises:
        ImageError: the file is refused; `code` is one of `vidi.images.limits.REASONS`.
    """
    return decode_pixels(data, read_header(data, options), options=options, at_least=at_least)


def decode_pixels(
    data: bytes, header: Header, *, options: DecodeOptions = DEFAULT, at_least: Size | None = None
) -> DecodedImage:
    """The pixels behind a header that `read_header` gave for the same bytes and options.

    Raises:
        ImageError: the file is refused.
    """
    decode = _decode_jpeg if header.format == "JPEG" else _decode_by_pillow
    try:
        image, notes = decode(data, header, options, at_least)
    except (ImageError, ImportError):
        raise
    except MemoryError as error:
        raise too_much_memory() from error
    except Exception as error:  # whatever foreign decoders raise over a file is that file's fault, never the run's
        raise _translated(error, header) from error
    notes = tuple(dict.fromkeys((*header.notes, *notes)))
    if options.strict and "decoder-warned" in notes:
        raise broken(f"The decoder warns of damaged data in the {header.format}, and `strict` is set.")
    upright = turn_upright(image, header.orientation)
    size = header.size if header.format == "JPEG" else (upright.shape[0], upright.shape[1])
    return DecodedImage(upright, size, notes, header.format)


def turn_upright(image: Array, orientation: int) -> Array:
    """An image as stored, turned and mirrored as its EXIF orientation (1 to 8) says."""
    if orientation not in _TURNS:
        return image
    mirror, quarters = _TURNS[orientation]
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if mirror else image, quarters))


def _decode_jpeg(
    data: bytes, header: Header, options: DecodeOptions, at_least: Size | None
) -> tuple[Array, tuple[str, ...]]:
    scale = _reduction(header, options.limits, at_least)
    profile = FORMATS["JPEG"].profile(data, header, options.limits)
    return decode_jpeg(data, header, scale=scale, options=options, profile=profile)


def _reduction(header: Header, limits: Limits, at_least: Size | None) -> int:
    """By how much a JPEG is reduced while it is decoded: 8, 4, 2 or 1."""
    height, width = header.stored_size
    needed = at_least or header.size
    needed = needed[::-1] if header.orientation >= 5 else needed
    for scale in (8, 4, 2):
        if -(-height // scale) >= needed[0] and -(-width // scale) >= needed[1]:
            return scale
    # A JPEG over these limits is only let in because it need not be held whole.
    for scale in (1, 2, 4):
        pixels = header.pixel_count // scale**2
        if pixels <= limits.pixels and _memory(header, pixels) <= limits.memory_bytes:
            return scale
    return 8


def _memory(header: Header, pixel_count: int) -> int:
    """Peak memory of decoding to this many pixels."""
    by_pillow = header.format != "JPEG" or header.channels == 4
    each = FORMATS[header.format].bytes_per_pixel if by_pillow else 3
    return header.coded_bytes + pixel_count * each * (2 if header.sample_bits > 16 else 1)


def _decode_by_pillow(
    data: bytes, header: Header, options: DecodeOptions, _at_least: Size | None
) -> tuple[Array, tuple[str, ...]]:
    kind = FORMATS[header.format]
    profile = kind.profile(data, header, options.limits)
    with _warnings_as_notes(header) as warned:
        image = open_by_pillow(kind.only_pixels(data, header), header.format)
        if header.format == "AVIF":
            profile = image.info.get("icc_profile")
            turn = orientation_of(image.info.get("exif", b""))  # as the container says; `getexif` looks into XMP
        _check_same_size(image, header)
        image.load()
    if header.format in _ROW_CHECKS:
        _check_rows(image, data, header)
    rgb, notes = to_rgb(image, header, background=options.background, profile=profile)
    if header.format == "AVIF":
        rgb = turn_upright(rgb, turn)
    return rgb, (*notes, *warned)


def open_by_pillow(data: bytes, format: str) -> ImageFile.ImageFile:
    """Pillow's own class for a format, opened on bytes: no other plugin is ever asked what it thinks of them.

    Raises:
        ImageError: this Pillow was built without the format.
    """
    module, name = FORMATS[format].plugin
    plugin = importlib.import_module(module)
    if not vars(plugin).get("SUPPORTED", True):
        raise unsupported(f"The installed Pillow reads no {format}.", "Install Pillow from PyPI, or convert the image.")
    opened: ImageFile.ImageFile = vars(plugin)[name](io.BytesIO(data))
    return opened


def _check_same_size(image: Image.Image, header: Header) -> None:
    """The limits were judged by our reading of the header: the decoder's must not be another."""
    if header.format != "AVIF" and image.size != header.stored_size[::-1]:
        raise broken(f"The {header.format} states two sizes, {header.stored_size[::-1]} and {image.size}.")
    if image.width * image.height > header.pixel_count:
        raise broken(f"The {header.format} is larger than its header says.")


def _check_rows(image: Image.Image, data: bytes, header: Header) -> None:
    """Pillow leaves rows empty where a stream just ends; only an empty last row is worth a second look."""
    last = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
    rules = _ROW_CHECKS[header.format]
    unfilled = 0 if header.format == "PNG" else last.flat[0]  # a GIF's canvas may be any colour
    is_suspect = rules.is_interlaced(data, header) or not (last != unfilled).any()
    if is_suspect and not rules.holds_every_row(data, header):
        raise truncated(f"The {header.format}'s data ends before its last row.")


@contextmanager
def _warnings_as_notes(header: Header) -> Iterator[list[str]]:
    """Python warnings of the image library as a note; other formats than TIFF give none."""
    notes: list[str] = []
    if header.format != "TIFF":
        yield notes
        return
    with _WARNINGS_LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
        if caught:
            notes.append("library-warned")


def _translated(error: Exception, header: Header) -> ImageError:
    """The refusal for what a decoder raised; its own words are kept in the chain."""
    words = str(error)
    if "truncated" in words.lower() or isinstance(error, EOFError):
        return truncated(f"The {header.format} ends before the image is complete.")
    if isinstance(error, SyntaxError | RuntimeError) and header.format == "TIFF":
        return unsupported("This kind of TIFF (its depth, channels or compression) is not read.")
    return broken(f"The {header.format} cannot be decoded: it contradicts its own format.")
