"""Video files of a second or so whose every frame can be told by its brightness."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

av: Any = pytest.importorskip("av", reason="needs:av")

STEP = 8  # grey levels between the frames: lossy coding moves a plain grey by less
MILLISECOND = Fraction(1, 1000)


def grey(number: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), 4 + STEP * (number % 31), np.uint8)


def number_of(image: np.ndarray) -> int:
    """Which frame this is, from 0 to 30."""
    return round((float(image.mean()) - 4) / STEP)


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    milliseconds: Sequence[int] | None = None,
    codec: str = "libx264",
    container: str | None = None,
    options: dict[str, str] | None = None,
    keyframes: int = 5,
) -> Path:
    """Write images as a video; `milliseconds` are their times, ten a second by default."""
    with av.open(str(path), "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=10)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base, stream.codec_context.gop_size = MILLISECOND, keyframes
        stream.codec_context.max_b_frames = 0
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = milliseconds[index] if milliseconds else 100 * index, MILLISECOND
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def turn_file(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Give an MP4 file a display matrix a b c d, as cameras do, by writing over the one in its header."""
    data = path.read_bytes()
    start = data.index(b"tkhd") + 44  # version 0: 40 bytes after the name stand before the matrix
    a, b, c, d = (value << 16 for value in matrix)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:start] + turned + data[start + 36 :])
