"""What passes between a worker process and the one who started it: lengths, JSON, and pixels in shared memory."""

import json
import math
import struct
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.images.decode import DecodeJob, ReadImage

MEASURED_BYTES = 1 << 16  # the most that a measure may return for one image
FAILURE = b"!"  # begins an answer that is no answer: the reading or the measure raised
_LENGTH = struct.Struct("<I")
# Digest, bytes of the file, format; height and width of the upright image, then of the one that comes, or -1.
_ANSWER = struct.Struct("<64sQ8s4i")
_NONE = (-1, -1)
_NOTHING_RARE: tuple[None, tuple[str, ...], None] = (None, (), None)
FILES_TOGETHER = 8  # most that one request is about: a worker need not wait for each answer to be fetched
_FILES = struct.Struct(f"<B{FILES_TOGETHER}Q")  # begins a request: how many files lie in shared memory, their bytes


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


def pack_request(byte_counts: Sequence[int], job: bytes) -> bytes:
    """A request about files that lie behind one another in shared memory.

    Args:
        byte_counts: of up to `FILES_TOGETHER` files.
    """
    count = len(byte_counts)
    return _FILES.pack(count, *byte_counts, *(0,) * (FILES_TOGETHER - count)) + job


def unpack_request(content: bytes) -> tuple[tuple[int, ...], bytes]:
    """The byte counts and the packed job of a request."""
    count, *byte_counts = _FILES.unpack_from(content)
    return tuple(byte_counts[:count]), content[_FILES.size :]


def pack_work(work: object) -> bytes:
    """A job or a greeting, for a worker of our own: never read from a file or a stranger."""
    return bytes(ForkingPickler.dumps(work))


def unpack_work(content: bytes) -> Any:  # the worker knows which message comes when
    """What `pack_work` packed."""
    return ForkingPickler.loads(content)


def pack_answer(read: ReadImage, room: memoryview) -> bytes:
    """An answer in a few bytes, its arrays laid into the shared memory.

    What a decoder may have corrupted is never unpickled: numbers stand in fixed places, and what is rare is JSON.
    """
    shape, rare, place = _NONE, b"", 0
    if read.image is not None:
        shape, place = (read.image.shape[0], read.image.shape[1]), read.image.nbytes
        room[:place] = np.ascontiguousarray(read.image).reshape(-1).data
    if read.error is not None or read.notes or read.measured is not None:
        error = None if read.error is None else [read.error.code, read.error.cause, read.error.remedy]
        measured = None if read.measured is None else _lay(read.measured, room, place)
        rare = json.dumps([error, read.notes, measured]).encode()
    size = read.size or _NONE
    return _ANSWER.pack(read.digest.encode(), read.byte_count, read.format.encode(), *size, *shape) + rare


def _lay(measured: NDArray[np.generic], room: memoryview, place: int) -> list[object]:
    content = np.ascontiguousarray(measured).reshape(-1).view(np.uint8)
    room[place : place + content.nbytes] = content.data
    return [measured.dtype.str, list(measured.shape), place]


def unpack_answer(content: bytes, room: memoryview) -> ReadImage:
    """The answer about a file, its arrays copied out of the shared memory.

    Raises:
        EOFError: it makes no sense: its process is as good as dead.
    """
    try:
        digest, byte_count, format, *numbers = _ANSWER.unpack_from(content)
        height, width, rows, columns = numbers
        rare = content[_ANSWER.size :]
        error, notes, measured = json.loads(rare) if rare else _NOTHING_RARE
        return ReadImage(
            image=None if rows < 0 else _copy(room, np.dtype(np.uint8), (rows, columns, 3), 0),
            measured=None if measured is None else _measured(room, *measured),
            error=None if error is None else ImageError(*error),
            digest=digest.rstrip(b"\0").decode("ascii"),
            byte_count=byte_count,
            size=None if height < 0 else (height, width),
            notes=tuple(notes),
            format=format.rstrip(b"\0").decode("ascii"),
        )
    except (ValueError, TypeError, struct.error) as error:
        raise EOFError from error


def _measured(room: memoryview, dtype: str, shape: list[int], place: int) -> NDArray[np.generic]:
    kind = np.dtype(dtype)
    if kind.hasobject:
        raise ValueError("an array of objects is not a measurement")
    return _copy(room, kind, tuple(shape), place)


def _copy(room: memoryview, kind: np.dtype[Any], shape: tuple[int, ...], place: int) -> NDArray[Any]:
    return np.frombuffer(room, kind, math.prod(shape), place).reshape(shape).copy()
