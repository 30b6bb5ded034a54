"""One file's bytes to a framed image, in this very process: what threads and worker processes both call."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError, UsageError
from vidi.files import digest_of
from vidi.images.decode import DEFAULT, DecodedImage, decode_pixels, read_header, too_much_memory
from vidi.images.formats.header import Header
from vidi.images.formats.registry import FORMATS
from vidi.images.framing import FramedSizes, Framing, frame_image, framed_sizes
from vidi.images.limits import DecodeOptions

Array = NDArray[np.uint8]
Measured = NDArray[np.generic]
Measure = Callable[[bytes, Array], Measured]  # of a file's bytes and its upright image, before it is framed

MEASURED_SIDE = 90  # pixels: a large JPEG may be decoded at reduced scale for a measure, but no smaller than this

_EXTENSIONS = {extension: name for name, kind in FORMATS.items() for extension in kind.extensions}


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
