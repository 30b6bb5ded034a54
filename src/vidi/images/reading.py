"""One file from its store to a framed image, in this very process: what threads and worker processes both call."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError, UsageError
from vidi.files import digest_of
from vidi.images.decode import DEFAULT, DecodedImage, decode_pixels, read_header, too_much_memory
from vidi.images.formats.header import Header
from vidi.images.formats.registry import FORMATS
from vidi.images.framing import FramedSizes, Framing, frame_image, framed_sizes
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore

Array = NDArray[np.uint8]
Measured = NDArray[np.generic]
Measure = Callable[[bytes, Array], Measured]  # of a file's bytes and its upright image, before it is framed

MEASURED_SIDE = 90  # pixels: a large JPEG may be decoded at reduced scale for a measure, but no smaller than this

_EXTENSIONS = {extension: name for name, kind in FORMATS.items() for extension in kind.extensions}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImage:
    """Result for one file: an image or an error, never both."""

    path: str
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
    """What is to be done with every file; sent to a worker once."""

    store: ImageStore
    framing: Framing | None = None  # None: images as large as they are, and none at all with a measure
    whole_for: Framing | None = None  # without a framing: whole images, large JPEGs at the scale that serves this one
    measure: Measure | None = None  # a function of a module, so that a worker process finds it by name
    least_side: int = MEASURED_SIDE  # pixels: a large JPEG is decoded no smaller than this for a measure
    options: DecodeOptions = DEFAULT


ReadFile = Callable[[str, DecodeJob], ReadImage]  # such as `read_one`


@dataclass(frozen=True, slots=True)
class OneFile:
    """A store of one file, which is at hand."""

    data: bytes

    def read(self, path: str) -> bytes:  # noqa: ARG002 - as all stores
        """Its bytes, whatever the path."""
        return self.data


def read_one(path: str, job: DecodeJob) -> ReadImage:
    """Read, decode, frame and measure one file; an ImageError becomes part of the answer."""
    return read_unless(path, job, lambda _: False) or ReadImage(path=path)


def read_unless(path: str, job: DecodeJob, declined: Callable[[Header], bool]) -> ReadImage | None:
    """As `read_one`, but None for an image that this process should not decode, judged by its header."""
    digest, byte_count = "", 0
    try:
        data = job.store.read(path)
        digest, byte_count = digest_of(data), len(data)
        header = read_header(data, job.options)
        if declined(header):
            return None
        framing = job.framing or job.whole_for
        sizes = None if framing is None else framed_sizes(header.size, framing)
        decoded = decode_pixels(data, header, options=job.options, at_least=_size_needed(job, sizes))
        measured = None if job.measure is None else job.measure(data, decoded.image)
        image = _kept_image(job, decoded, sizes)
    except ImageError as error:
        return ReadImage(path=path, error=error, digest=digest, byte_count=byte_count)
    except MemoryError:
        return ReadImage(path=path, error=too_much_memory(), digest=digest, byte_count=byte_count)
    return ReadImage(
        path=path,
        image=image,
        measured=measured,
        digest=digest,
        byte_count=byte_count,
        size=decoded.size,
        notes=(*decoded.notes, *_note_on_name(path, decoded.format)),
        format=decoded.format,
    )


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


def _note_on_name(path: str, format: str) -> tuple[str, ...]:
    named = _EXTENSIONS.get(os.path.splitext(path)[1].lower(), format)
    return () if named == format else ("format-differs",)
