"""Writes short video files: VP8 in WebM, which browsers play and whose encoder is freely licensed."""

from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ResourceError
from vidi.files import escape_path

MILLISECONDS: Final = 1_000  # in a second: the unit of the frames' times
OPTIONS: Final = {"deadline": "realtime", "cpu-used": "8", "crf": "12"}
BITS_A_SECOND: Final = 1_000_000


class ClipFile:
    """One video file that is being written. A context: leaving it makes the file whole."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        """Open the file.

        Args:
            path: of the file, which is written over.
            size: (height, width) of the frames, both even.

        Raises:
            ResourceError: it cannot be written.
        """
        import av

        self.path = path
        self._began: float | None = None
        self._last = -1
        try:
            self._container = av.open(str(path), "w", format="webm")
            stream = self._container.add_stream("libvpx", rate=MILLISECONDS, options=OPTIONS)
        except (OSError, ValueError) as error:
            raise _cannot(path, error) from error
        self._stream = stream
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt, self._stream.bit_rate = "yuv420p", BITS_A_SECOND
        self._stream.codec_context.time_base = Fraction(1, MILLISECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write what the encoder still holds."""
        self.close()

    def add(self, image: NDArray[np.uint8], seconds: float) -> None:
        """Add a frame.

        Args:
            image: (height, width, 3) RGB.
            seconds: when it was, of the same clock for all frames; one that is not later than the last is left out.

        Raises:
            ResourceError: the file cannot be written.
        """
        import av

        if self._began is None:
            self._began = seconds
        at = round((seconds - self._began) * MILLISECONDS)
        if at <= self._last:
            return
        self._last = at
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = at, Fraction(1, MILLISECONDS)
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, ValueError) as error:
            raise _cannot(self.path, error) from error

    def close(self) -> None:
        """Make the file whole.

        Raises:
            ResourceError: it cannot be written.
        """
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except (OSError, ValueError) as error:
            raise _cannot(self.path, error) from error


def _cannot(path: Path, error: Exception) -> ResourceError:
    return ResourceError(f"{escape_path(path)} cannot be written: {error}", "Free disk space, or name another folder.")
