"""The one decoder of every path: the bytes of a file in, an upright RGB image, framed where asked, or a reason out.

Threads and worker processes both call `read_one`.
"""

import importlib
import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from vidi.errors import ImageError, UsageError
from vidi.files import digest_of
from vidi.images.colour import is_srgb, to_rgb
from vidi.images.formats import gif, jpeg, png
from vidi.images.formats.header import Header, Size, broken, orientation_of, sniff, truncated, unsupported
from vidi.images.formats.registry import FORMATS
from vidi.images.framing import FramedSizes, Framing, frame_image, framed_sizes
from vidi.images.limits import DecodeOptions, Limits
from vidi.images.store import file_too_large

try:
    import simplejpeg
except ImportError:  # no wheel for this platform: slower, and blind to the decoder's warnings
    simplejpeg = None

Array = NDArray[np.uint8]
Measured = NDArray[np.generic]
Measure = Callable[[bytes, Array], Measured]  # of a file's bytes and its upright image, before it is framed

DEFAULT = DecodeOptions()
MEASURED_SIDE = 90  # pixels: a large JPEG may be decoded at reduced scale for a measure, but no smaller than this
_EXTENSIONS = {extension: name for name, kind in FORMATS.items() for extension in kind.extensions}
_TURNS = {  # EXIF orientation: (mirror left-right first, quarter turns counter-clockwise)
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}
_JPEG_END = b"\xff\xd9"
# Coded bits that mean something else than a missing end: if the pixels change, they were not all there.
_FILLER = b"\x5a\xa5\x3c\xc3" * 16
_CONTAINERS = ("AVIF", "HEIC")  # whose decoders know better than the header how an image is turned
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImage:
    """Result for one file: an image or an error, never both."""

    path: str = ""  # within the store that its bytes came from; empty where they were at hand
    image: Array | None = None  # framed where a framing was given, else as large as it is; None if only measured
    measured: Measured | None = None
    error: ImageError | None = None
    digest: str = ""  # SHA-256 of the file's bytes; empty where they could not be read
    byte_count: int = 0
    size: tuple[int, int] | None = None  # (height, width) of the full upright image
    notes: tuple[str, ...] = ()
    format: str = ""

    def pixels(self) -> Array:
        """The image of a job that keeps images.

        Raises:
            ImageError: the file could not be used.
            UsageError: the job keeps no images.
        """
        if self.error is not None:
            raise self.error
        if self.image is None:
            raise UsageError(f"{self.path}: the image was only measured", "Read it without a measure.")
        return self.image


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeJob:
    """What is to be done with every file."""

    framing: Framing | None = None  # None: images as large as they are, and none at all with a measure
    whole_for: Framing | None = None  # without a framing: whole images, large JPEGs at the scale that serves this one
    measure: Measure | None = None  # a function of a module, so that a worker process finds it by name
    least_side: int = MEASURED_SIDE  # pixels: a large JPEG is decoded no smaller than this for a measure
    options: DecodeOptions = DEFAULT


ReadFile = Callable[[bytes, DecodeJob], ReadImage]  # such as `read_one`


def read_one(data: bytes, job: DecodeJob) -> ReadImage:
    """Decode, frame and measure one file; an ImageError becomes part of the answer."""
    return read_unless(data, job, lambda _: False) or ReadImage()


def read_unless(data: bytes, job: DecodeJob, declined: Callable[[Header], bool]) -> ReadImage | None:
    """As `read_one`, but None for an image that this process should not decode, judged by its header."""
    digest, byte_count = digest_of(data), len(data)
    try:
        header = read_header(data, job.options)
        if declined(header):
            return None
        framing = job.framing or job.whole_for
        sizes = None if framing is None else framed_sizes(header.size, framing)
        decoded = decode_pixels(data, header, options=job.options, at_least=_size_needed(job, sizes))
        measured = None if job.measure is None else job.measure(data, decoded.image)
        image = _kept_image(job, decoded, sizes)
    except ImageError as error:
        return ReadImage(error=error, digest=digest, byte_count=byte_count)
    except MemoryError:
        return ReadImage(error=too_much_memory(), digest=digest, byte_count=byte_count)
    return ReadImage(
        image=image,
        measured=measured,
        digest=digest,
        byte_count=byte_count,
        size=decoded.size,
        notes=decoded.notes,
        format=decoded.format,
    )


def name_read(read: ReadImage, path: str) -> ReadImage:
    """The result for the file of this path; a name that says another format than the content is noted."""
    named = _EXTENSIONS.get(os.path.splitext(path)[1].lower(), read.format)
    notes = read.notes if named == read.format or not read.format else (*read.notes, "format-differs")
    return replace(read, path=path, notes=notes)


def _size_needed(job: DecodeJob, sizes: FramedSizes | None) -> tuple[int, int] | None:
    """The (height, width) that a reduced-scale decode must keep; None where the image is wanted whole."""
    if sizes is None:
        return None if job.measure is None else (MEASURED_SIDE, MEASURED_SIDE)
    height, width = sizes.needed
    if job.framing is None or job.measure is None:
        return height, width
    return max(height, job.least_side), max(width, job.least_side)


def _kept_image(job: DecodeJob, decoded: DecodedImage, sizes: FramedSizes | None) -> Array | None:
    if job.framing is None:
        return decoded.image if job.measure is None else None
    if sizes is None or sizes.full != decoded.size:  # the decoder knows it better than the header: an AVIF's turn
        sizes = framed_sizes(decoded.size, job.framing)
    return frame_image(decoded.image, job.framing, sizes=sizes)


def read_header(data: bytes, options: DecodeOptions = DEFAULT) -> Header:
    """What an image file is and how large, without decoding a pixel.

    Raises:
        ImageError: the file is refused for what its header and its list of parts say.
    """
    limits = options.limits
    if len(data) > limits.file_bytes:
        raise file_too_large(len(data), limits.file_bytes)
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


def decode_image(data: bytes, *, options: DecodeOptions = DEFAULT, at_least: Size | None = None) -> DecodedImage:
    """An image file as upright RGB.

    Args:
        data: the bytes of the file; the content decides its format, never a name.
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
    """By libjpeg-turbo directly, which tells what it warns of, else through Pillow, which does not.

    Both are the same library with the same settings and give the same pixels; Pillow is used for CMYK, and where
    simplejpeg is not installed or declines.
    """
    scale = _reduction(header, options.limits, at_least)
    profile = jpeg.profile(data, header, options.limits)
    rgb, complaint = _by_turbo(data, header, scale)
    if rgb is not None and (profile is None or is_srgb(profile)):
        return rgb, () if header.is_complete else ("end-missing",)
    image = Image.fromarray(rgb) if rgb is not None else _draft(jpeg.only_pixels(data, header), header, scale)
    notes = ("decoder-warned",) if complaint else ()
    if not header.is_complete:
        is_whole = rgb is not None or (not complaint and _is_whole(image, data, header, scale))
        if not is_whole and not options.keep_truncated:
            raise truncated(f"The JPEG ends after {len(data):,} bytes, before the image is complete.")
        notes = ("end-missing",) if is_whole else ("truncated",)
    rgb, more = to_rgb(image, header, background=options.background, profile=profile)
    return rgb, (*notes, *more)


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


def _by_turbo(data: bytes, header: Header, scale: int) -> tuple[Array | None, str]:
    """The pixels, or None and what the decoder complains of; no complaint where it only declines.

    What it leaves behind after a complaint is never used: after an error it may call a half-written image whole.
    """
    if simplejpeg is None or header.channels not in (1, 3):
        return None, ""
    height, width = (-(-side // scale) for side in header.stored_size)
    if jpeg.STRAY_BYTES in header.notes:
        data = jpeg.only_pixels(data, header)  # without them: what the walk has found is what is decoded
    elif not header.is_complete:
        data += _JPEG_END
    try:
        return simplejpeg.decode_jpeg(data, min_height=height, min_width=width), ""
    except ValueError as error:
        return None, "" if "Could not determine" in str(error) else str(error)


def _draft(data: bytes, header: Header, scale: int) -> Image.Image:
    """A JPEG by Pillow, reduced by `scale`."""
    image = JpegImageFile(io.BytesIO(data))
    if scale > 1:
        # Floored, so that Pillow, which divides rounding down, arrives at the very scale.
        image.draft(image.mode, (max(1, header.stored_size[1] // scale), max(1, header.stored_size[0] // scale)))
    image.load()
    return image


def _is_whole(image: Image.Image, data: bytes, header: Header, scale: int) -> bool:
    """Whether all pixels of a JPEG without end mark are there: then other bits behind them change nothing."""
    filled = jpeg.only_pixels(data, header).removesuffix(_JPEG_END) + _FILLER + _JPEG_END
    return image.tobytes() == _draft(filled, header, scale).tobytes()


def _decode_by_pillow(
    data: bytes, header: Header, options: DecodeOptions, _at_least: Size | None
) -> tuple[Array, tuple[str, ...]]:
    kind = FORMATS[header.format]
    profile = kind.profile(data, header, options.limits)
    with _warnings_as_notes(header) as warned:
        image = open_by_pillow(kind.only_pixels(data, header), header.format)
        if header.format in _CONTAINERS:
            profile = image.info.get("icc_profile")
        if header.format == "AVIF":
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
    if header.format not in _CONTAINERS and image.size != header.stored_size[::-1]:
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
