"""What comes back for each file beside its pixels: a fingerprint, when and by what it was taken, packed as one row."""

import json
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vidi.data.duplicates.capture import Capture, read_capture
from vidi.data.duplicates.fingerprint import FINGERPRINT_BYTES, fingerprint_image
from vidi.errors import DataError, ImageError
from vidi.images.decode import ReadImage

Array = NDArray[np.uint8]

_CAPTURE = np.dtype([("camera", "S16"), ("seconds", "<f8")])
MEASURED_BYTES = FINGERPRINT_BYTES + _CAPTURE.itemsize
_LENGTH_BYTES = 8  # of the length of the text, before it


def measure_file(data: bytes, image: Array) -> Array:
    """The fingerprint and the capture of one file, packed: (MEASURED_BYTES,) uint8.

    Args:
        image: (height, width, 3) uint8, upright.
    """
    capture = np.array([read_capture(data) or ("", np.nan)], dtype=_CAPTURE)
    return np.concatenate([fingerprint_image(image), capture.view(np.uint8)])


def captures_of(measured: Array) -> list[Capture | None]:
    """When and by which camera each file was taken, from packed rows (files, MEASURED_BYTES)."""
    rows = np.ascontiguousarray(measured[:, FINGERPRINT_BYTES:]).view(_CAPTURE)[:, 0]
    cameras, seconds = rows["camera"].tolist(), rows["seconds"].tolist()
    return [(camera.decode("ascii"), taken) if camera else None for camera, taken in zip(cameras, seconds, strict=True)]


def pack_readings(readings: Iterable[ReadImage]) -> bytes:
    """Return the results about files that were measured by `measure_file`, without pixels."""
    lines, rows = [], []
    for read in readings:
        error = None if read.error is None else [read.error.code, read.error.cause, read.error.remedy]
        has_row = read.measured is not None
        lines.append([read.path, error, read.digest, read.byte_count, read.size, read.notes, read.format, has_row])
        if read.measured is not None:
            rows.append(read.measured.astype(np.uint8, copy=False).tobytes())
    text = json.dumps(lines).encode("ascii")
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + b"".join(rows)


def unpack_readings(data: bytes) -> list[ReadImage]:
    """Return the results that the bytes hold.

    Raises:
        DataError: they are not of `pack_readings`.
    """
    try:
        start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
        lines = json.loads(data[_LENGTH_BYTES:start])
        rows = iter(np.frombuffer(data, np.uint8, offset=start).reshape(-1, MEASURED_BYTES))
        found = [
            ReadImage(
                path=path,
                error=None if error is None else ImageError(*error),
                digest=digest,
                byte_count=byte_count,
                size=None if size is None else (size[0], size[1]),
                notes=tuple(notes),
                format=format,
                measured=next(rows) if has_row else None,
            )
            for path, error, digest, byte_count, size, notes, format, has_row in lines
        ]
    except (ValueError, TypeError, StopIteration) as error:
        raise DataError(
            f"the results of a part of the check cannot be read: {error}", "Delete their folder, and check again."
        ) from error
    if next(rows, None) is not None:
        raise DataError("the results of a part of the check are too long", "Delete their folder, and check again.")
    return found
