"""What comes back for each file beside its pixels: a fingerprint, when and by what it was taken, packed as one row."""

import numpy as np
from numpy.typing import NDArray

from vidi.data.duplicates.capture import Capture, read_capture
from vidi.data.duplicates.fingerprint import FINGERPRINT_BYTES, fingerprint_image

Array = NDArray[np.uint8]

_CAPTURE = np.dtype([("camera", "S16"), ("seconds", "<f8")])
MEASURED_BYTES = FINGERPRINT_BYTES + _CAPTURE.itemsize


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
