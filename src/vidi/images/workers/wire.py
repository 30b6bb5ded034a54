"""What passes between a worker process and the one who started it: lengths, JSON, and pixels in shared memory."""

import json
import struct
from multiprocessing.reduction import ForkingPickler
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.images.reading import DecodeJob, ReadImage

MEASURED_BYTES = 1 << 16  # the most that a measure may return for one image
FAILURE = b"!"  # begins an answer that is no answer: the store or the measure raised
_LENGTH = struct.Struct("<I")
BYTE_COUNT = struct.Struct("<Q")  # begins the request for a file that lies in shared memory


def slot_bytes(job: DecodeJob) -> int:
    """Room for one answer: the image, and behind it what was measured."""
    if job.framing is not None:
        pixels = job.framing.size[0] * job.framing.size[1]
    else:
        pixels = job.options.limits.pixels if job.measure is None else 0
    return image_bytes(pixels)


def image_bytes(pixels: int) -> int:
    """Room for one image and what was measured, in whole pages."""
    return -(-(3 * pixels + MEASURED_BYTES) // 4096) * 4096


def send(stream: IO[bytes], content: bytes, *, at_once: bool = True) -> None:
    """Write one message; where it is not to go at once, it goes with the next one that does."""
    stream.write(_LENGTH.pack(len(content)) + content)
    if at_once:
        stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Read one message.

    Raises:
        EOFError: the other side is gone.
    """
    length = stream.read(_LENGTH.size)
    content = stream.read(_LENGTH.unpack(length)[0]) if len(length) == _LENGTH.size else b""
    if len(length) < _LENGTH.size or len(content) < _LENGTH.unpack(length)[0]:
        raise EOFError
    return content


def pack_work(work: object) -> bytes:
    """A job or a list of paths, for a worker of our own: never read from a file or a stranger."""
    return bytes(ForkingPickler.dumps(work))


def unpack_work(content: bytes) -> Any:  # the worker knows which message comes when
    """What `pack_work` packed."""
    return ForkingPickler.loads(content)


def pack_answer(read: ReadImage, room: memoryview) -> bytes:
    """An answer as JSON, its arrays laid into the shared memory: what a decoder may have spoilt is never unpickled."""
    arrays: list[list[object] | None] = []
    place = 0
    for array in (read.image, read.measured):
        if array is None:
            arrays.append(None)
            continue
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        room[place : place + content.nbytes] = content.data
        arrays.append([array.dtype.str, list(array.shape), place])
        place += content.nbytes
    error = None if read.error is None else [read.error.code, read.error.cause, read.error.remedy]
    facts = [read.digest, read.byte_count, read.size, read.notes, read.format]
    return json.dumps([arrays, error, facts]).encode()


def unpack_answer(content: bytes, room: memoryview, path: str) -> ReadImage:
    """The answer about a path, its arrays copied out of the shared memory."""
    arrays, error, (digest, byte_count, size, notes, format) = json.loads(content)
    image, measured = (None if array is None else _array(room, *array) for array in arrays)
    return ReadImage(
        path=path,
        image=None if image is None else image.view(np.uint8),
        measured=measured,
        error=None if error is None else ImageError(*error),
        digest=digest,
        byte_count=byte_count,
        size=None if size is None else (size[0], size[1]),
        notes=tuple(notes),
        format=format,
    )


def _array(room: memoryview, dtype: str, shape: list[int], place: int) -> NDArray[np.generic]:
    kind = np.dtype(dtype)
    if kind.hasobject:
        raise ValueError("an array of objects is not a measurement")
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(room, kind, count, place).reshape(shape).copy()
