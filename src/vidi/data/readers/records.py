"""Record files: many small images in one file, as MNIST (IDX) and CIFAR (binary) keep them."""

import math
import re
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidi.data.dataset import LabelledImage
from vidi.data.readers.parts import part_named
from vidi.data.readers.source import Reading, Source
from vidi.errors import DataError, ImageError, ResourceError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.store import ImageStore, stamp_within

_GZIP = b"\x1f\x8b"
_MOST_RATIO = 100  # unpacked to packed bytes; the digits of MNIST shrink by 5
_FREE_BYTES = 10_000_000  # below this size any ratio is harmless
_IDX = re.compile(r"(?P<stem>.*?)[-_.]?(?P<what>images?|labels?)[-_.]idx\d[-_.]ubyte(\.gz)?$", re.IGNORECASE)
_CIFAR = re.compile(r"(data_batch_\d+|test_batch|train|test)\.bin$", re.IGNORECASE)
_CIFAR_PIXELS = 3 * 32 * 32
_NAME_FILES = ("batches.meta.txt", "fine_label_names.txt", "label_names.txt", "classes.txt")
_UNSIGNED_BYTES = 0x08  # the IDX code of the one type that images of this kind have
Labels = NDArray[np.uint8]


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


class _Records(NamedTuple):
    """One record file and the label of each of its records."""

    folder: str  # what the paths of its records begin with
    part: str | None
    file: RecordFile
    labels: Labels


def read_records(source: Source) -> Reading | None:
    """IDX pairs (`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, gzipped or not) and binary CIFAR batches.

    Raises:
        DataError: a file is cut, of another type than it says, or a Python pickle.
    """
    if not source.may_be(".bin", "ubyte", "ubyte.gz"):
        return None
    files = source.paths
    found = [*_idx_records(source, files), *_cifar_records(source, files)]
    if not found:
        _refuse_pickles(source, files)
        return None
    names = source.listed_names(_NAME_FILES)
    highest = max((int(records.labels.max(initial=0)) for records in found), default=0)
    if names and len(names) <= highest:
        raise DataError(
            f"{source.given}: a record has the label {highest}, but only {len(names)} classes have names",
            f"Name every class, or remove {' and '.join(set(_NAME_FILES) & set(files)) or 'the names'}.",
        )
    store = RecordStore(source.whole_files, source.folder, {records.folder: records.file for records in found})
    return Reading(
        classes=names or [str(number) for number in range(highest + 1)],
        images=list(_images(found)),
        store=store,
        numbered=not names,
        ignored=[
            Entry(path, "record-file", "It stands in the account by its records.")
            for path in files
            if _IDX.match(path) or _CIFAR.match(path.rpartition("/")[2])
        ],
    )


def _images(found: Iterable[_Records]) -> Iterable[LabelledImage]:
    for records in found:
        suffix = "ppm" if records.file.channels == 3 else "pgm"
        shared = [frozenset([label]) for label in range(256)]  # one set for each class, not for each image
        digits = max(5, len(str(len(records.labels))))
        for number, label in enumerate(records.labels.tolist()):
            yield LabelledImage(f"{records.folder}/{number:0{digits}}.{suffix}", shared[label], part=records.part)


def _idx_records(source: Source, files: Sequence[str]) -> Iterable[_Records]:
    """The records of every pair of an image file and a label file."""
    pairs: dict[str, dict[str, str]] = {}
    for path in sorted(files, key=lambda path: path.casefold().endswith(".gz"), reverse=True):  # unpacked ones win
        if match := _IDX.match(path):
            pairs.setdefault(match["stem"], {})[match["what"].casefold().rstrip("s")] = path
    for stem, pair in sorted(pairs.items(), reverse=True):  # train before test and t10k
        if "image" not in pair:
            continue
        if "label" not in pair:
            raise DataError(
                f"{source.given}: {escape_path(pair['image'])} has no file of labels beside it",
                "Put the file of the same name with `labels` and `idx1` into its folder.",
            )
        file, count = _idx_image_file(source, pair["image"])
        labels = _idx_labels(source, pair["label"])
        if len(labels) != count:
            raise DataError(
                f"{source.given}: {escape_path(pair['image'])} holds {count:,} images, but "
                f"{escape_path(pair['label'])} {len(labels):,} labels",
                "Get both files from the same source again.",
            )
        name = stem.rpartition("/")[2]
        yield _Records(stem or "images", "test" if name.casefold() == "t10k" else part_named(name), file, labels)


def _idx_image_file(source: Source, path: str) -> tuple[RecordFile, int]:
    """The layout of an IDX file of images, and how many it holds."""
    shape, data = _idx_array(source, path)
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or min(shape[1:]) < 1:
        raise DataError(
            f"{source.given}: {escape_path(path)} holds an array of shape {shape}, not images",
            "An IDX file of images has three dimensions (images, rows, columns), or four with 1 or 3 colours.",
        )
    count, height, width = shape[:3]
    channels = shape[3] if len(shape) == 4 else 1
    start = len(data) - count * height * width * channels
    return RecordFile(path, "idx", start, height * width * channels, 0, height, width, channels), count


def _idx_labels(source: Source, path: str) -> Labels:
    shape, data = _idx_array(source, path)
    if len(shape) != 1:
        raise DataError(
            f"{source.given}: {escape_path(path)} holds an array of shape {shape}, not one label for each image",
            "An IDX file of labels has one dimension.",
        )
    return np.frombuffer(data, np.uint8, offset=len(data) - shape[0])


def _idx_array(source: Source, path: str) -> tuple[tuple[int, ...], bytes]:
    """The shape that an IDX file states and all its bytes, whose number agrees with it.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database, "The IDX file format".
    """
    data = unpack(source.read(path), path)
    dimensions = data[3] if len(data) >= 4 else 0
    start = 4 + 4 * dimensions
    if data[:3] != bytes([0, 0, _UNSIGNED_BYTES]) or len(data) < start:
        raise DataError(
            f"{source.given}: {escape_path(path)} begins with {data[:4].hex(' ') or 'nothing'}, "
            "not with the 00 00 08 of an IDX file of bytes",
            "Get the file from its source again.",
        )
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4))
    expected = start + math.prod(shape)
    if len(data) != expected:
        raise DataError(
            f"{source.given}: {escape_path(path)} states the shape {shape} and should have {expected:,} bytes, "
            f"but has {len(data):,}",
            "Get the file from its source again.",
        )
    return shape, data


def _cifar_records(source: Source, files: Sequence[str]) -> Iterable[_Records]:
    """The records of CIFAR-10 (one label byte each) and CIFAR-100 (a coarse and a fine one)."""
    for path in sorted(files):
        match = _CIFAR.match(path.rpartition("/")[2])
        if not match:
            continue
        name = match[1].casefold()
        label_bytes = 1 if "batch" in name else 2
        record_bytes = label_bytes + _CIFAR_PIXELS
        data = np.frombuffer(source.read(path), np.uint8)
        if len(data) == 0 or len(data) % record_bytes:
            raise DataError(
                f"{source.given}: {escape_path(path)} has {len(data):,} bytes, "
                f"which is not a multiple of the record size of {record_bytes:,} bytes",
                "Get the file from its source again: `vidi fetch cifar10`.",
            )
        labels = data.reshape(-1, record_bytes)[:, label_bytes - 1].copy()
        file = RecordFile(path, "cifar", 0, record_bytes, label_bytes, 32, 32, 3)
        yield _Records(path[: -len(".bin")], "test" if name.startswith("test") else "train", file, labels)


def _refuse_pickles(source: Source, files: Sequence[str]) -> None:
    """The Python version of CIFAR could run any code when it is opened."""
    pickles = [path for path in files if re.search(r"(^|/)(data_batch_\d+|batches\.meta)$", path)]
    if pickles:
        raise DataError(
            f"{source.given}: {escape_path(pickles[0])} is a Python pickle, which vidi never opens",
            "Use the binary version of the set (`data_batch_1.bin` …): `vidi fetch cifar10`.",
        )
