"""Single records out of record files, each given as an image file of its own."""

import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vidi.errors import DataError, ImageError, ResourceError
from vidi.files import escape_path
from vidi.images.store import ImageStore, stamp_within

_GZIP = b"\x1f\x8b"
_MOST_RATIO = 100  # unpacked to packed bytes; the digits of MNIST shrink by 5
_FREE_BYTES = 10_000_000  # below this size any ratio is harmless


@dataclass(frozen=True, slots=True)
class RecordFile:
    """How the images of one file lie in it."""

    path: str  # in the store that holds the file
    kind: Literal["idx", "cifar"]
    start: int  # bytes before the first record
    record_bytes: int
    label_bytes: int  # at the start of each record
    height: int  # pixels
    width: int
    channels: int


class RecordStore:
    """Records by number: `read` gives each as a PGM or PPM file, so that all images go through the one decoder.

    Packed files and those inside archives are unpacked once and held in the memory of each process.
    """

    def __init__(self, inner: ImageStore, folder: Path | None, files: Mapping[str, RecordFile]) -> None:
        self.inner = inner
        self.folder = folder  # None where the record files lie in an archive
        self.files = files  # by what the paths of their records begin with
        self._in_memory: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def read(self, path: str) -> bytes:
        """One record, by a path such as `data_batch_1/00042.ppm`, as a PGM or PPM file.

        Raises:
            ImageError: there is no such record, or its file has changed since it was listed.
        """
        name, _, number = path.rpartition("/")
        file = self.files.get(name)
        if file is None or not number[:-4].isdecimal():
            raise ImageError("unreadable", "there is no such record", "Read the data set again.")
        start = file.start + int(number[:-4]) * file.record_bytes + file.label_bytes
        pixels = self._slice(file, start, file.record_bytes - file.label_bytes)
        if len(pixels) != file.height * file.width * file.channels:
            raise ImageError("truncated", "its record file ends before it", "Get the record file again.")
        if file.kind == "cifar":  # planes, one colour after the other
            pixels = np.frombuffer(pixels, np.uint8).reshape(3, -1).T.tobytes()
        return b"%s\n%d %d\n255\n%s" % (b"P6" if file.channels == 3 else b"P5", file.width, file.height, pixels)

    def stamp(self, path: str) -> str:
        """What is known of the file that holds the record."""
        file = self.files.get(path.rpartition("/")[0])
        return "" if file is None else stamp_within(self.inner, file.path)

    def _slice(self, file: RecordFile, start: int, count: int) -> bytes:
        """Some bytes of the unpacked file."""
        if file.path in self._in_memory:
            return self._in_memory[file.path][start : start + count]
        if self.folder is not None:
            try:
                with (self.folder / file.path).open("rb") as stream:
                    if stream.read(2) != _GZIP:
                        stream.seek(start)
                        return stream.read(count)
            except OSError as error:
                cause = f"its record file cannot be opened: {error.strerror}"
                raise ImageError("unreadable", cause, "Check the file's permissions.") from error
        return self._unpacked(file)[start : start + count]

    def _unpacked(self, file: RecordFile) -> bytes:
        """A packed file's bytes, or those of one in an archive: kept, because a part of it cannot be read alone."""
        with self._lock:
            if file.path not in self._in_memory:
                data = self.inner.read(file.path) if self.folder is None else (self.folder / file.path).read_bytes()
                try:
                    self._in_memory[file.path] = unpack(data, file.path)
                except (DataError, ResourceError) as error:
                    raise ImageError("broken", error.cause, error.remedy) from error
            return self._in_memory[file.path]

    def __getstate__(self) -> tuple[ImageStore, Path | None, Mapping[str, RecordFile]]:
        return self.inner, self.folder, self.files  # what each process unpacks stays its own

    def __setstate__(self, state: tuple[ImageStore, Path | None, Mapping[str, RecordFile]]) -> None:
        RecordStore.__init__(self, *state)


def unpack(data: bytes, path: str) -> bytes:
    """The bytes of a file, unpacked where it is gzipped.

    Raises:
        DataError: it is cut or damaged.
        ResourceError: it would grow to over a hundred times its size.
    """
    if not data.startswith(_GZIP):
        return data
    most = max(_MOST_RATIO * len(data), _FREE_BYTES)
    unpacker = zlib.decompressobj(wbits=31)  # with the gzip header and its checksum
    try:
        unpacked = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise _damaged(path) from error
    if len(unpacked) > most:
        raise ResourceError(
            f"{escape_path(path)} grows to over {_MOST_RATIO} times its size when it is unpacked",
            "This is not what image data does; unpack it yourself if you trust it.",
        )
    if not unpacker.eof:
        raise _damaged(path)
    return unpacked


def _damaged(path: str) -> DataError:
    return DataError(f"{escape_path(path)} is cut or damaged: it cannot be unpacked", "Get it from its source again.")
