"""Results of reading a data set, kept in the cache: unchanged files are not decoded or compared again."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import PixelCache, pixels_key
from vidi.data.checked import ImageRecord, NearCopy
from vidi.data.checking.measured import MEASURED_BYTES
from vidi.errors import ImageError, ResourceError
from vidi.files import digest_of
from vidi.images.account import Entry
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.pool import read_images
from vidi.images.store import ImageStore
from vidi.machine import core_count

RULES = 1  # raised whenever the same files would be measured, described or compared differently
_TOGETHER = 64  # files digested by one thread before the next look at the outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReading:
    """Results of decoding every file once, in the order of the paths."""

    records: tuple[ImageRecord, ...]
    measured: NDArray[np.uint8]  # (files, MEASURED_BYTES), zeros for a refused file
    near: tuple[NearCopy, ...]

    @property
    def digests(self) -> list[str | None]:
        """SHA-256 of each file; None for a refused one."""
        return [record.digest for record in self.records]


def find_reading(
    cache: PixelCache,
    store: ImageStore,
    paths: Sequence[str],
    *,
    framing: Framing,
    options: DecodeOptions,
    on_progress: Callable[[int, int], None] | None = None,
) -> KeptReading | None:
    """The kept reading of these files with their framed pixels, where every file still holds the same bytes.

    Every file is read and its SHA-256 compared; files that were refused are tried again.

    Args:
        cache: where `keep_reading` put it.
        store: where the bytes come from.
        paths: names within the store.
        framing: how the pixels were framed.
        options: how the images were decoded.
        on_progress: called with (files done, files in all).

    Returns:
        None where nothing fitting is kept, where a file has changed, or where a refused one is refused no more.
    """
    said, fingerprints = reading_keys(paths, framing=framing, options=options)
    told, measured = cache.find_bytes(said), cache.find(fingerprints, (len(paths), MEASURED_BYTES))
    if told is None or measured is None:
        return None
    reading = _from_json(told, paths, measured)
    key = pixels_key(reading.digests, framing, decoding=repr(options))
    if cache.find(key, (len(paths), *framing.size, 3)) is None:
        return None
    for done, is_same in enumerate(_same_bytes(store, reading.records), start=1):
        if not is_same:
            return None
        if on_progress is not None:
            on_progress(min(done * _TOGETHER, len(paths)), len(paths))
    return reading if _refused_as_before(store, reading.records, options) else None


def keep_reading(cache: PixelCache, reading: KeptReading, *, framing: Framing, options: DecodeOptions) -> None:
    """Keep the results of a reading beside its pixels, if there is room.

    Args:
        cache: it holds the pixels already.
        reading: of every path, in order.
        framing: how the pixels were framed.
        options: how the images were decoded.
    """
    paths = [record.path for record in reading.records]
    said, fingerprints = reading_keys(paths, framing=framing, options=options)
    told = _as_json(reading)
    if not cache.has_room(reading.measured.nbytes + len(told)):
        return
    with contextlib.suppress(ResourceError):
        with cache.building(reading.measured.shape) as building:
            building.pixels[:] = reading.measured
            building.keep(fingerprints)
        cache.keep_bytes(said, told)


def reading_keys(paths: Sequence[str], *, framing: Framing, options: DecodeOptions) -> tuple[str, str]:
    """Names of a reading in the cache: results and fingerprints, 64 hex digits each.

    Args:
        paths: names within the store.
        framing: how the pixels were framed.
        options: how the images were decoded.
    """
    settings = [RULES, MEASURED_BYTES, asdict(framing), repr(options), *paths]
    return digest_of(json.dumps(["told", *settings]).encode()), digest_of(json.dumps(["measured", *settings]).encode())


def _as_json(reading: KeptReading) -> bytes:
    rows = [
        [r.digest, r.byte_count, *r.size, r.notes, r.capture, r.refusal and [r.refusal.code, r.refusal.sentence]]
        for r in reading.records
    ]
    near = [[pair.first, pair.second, pair.difference, pair.same_frame] for pair in reading.near]
    return json.dumps([rows, near]).encode()


def _from_json(told: bytes, paths: Sequence[str], measured: NDArray[np.uint8]) -> KeptReading:
    rows, near = json.loads(told)
    records = tuple(
        ImageRecord(
            path=path,
            digest=digest,
            byte_count=byte_count,
            size=(height, width),
            notes=tuple(notes),
            refusal=None if refusal is None else Entry(path, *refusal),
            capture=capture,
        )
        for path, (digest, byte_count, height, width, notes, capture, refusal) in zip(paths, rows, strict=True)
    )
    return KeptReading(records=records, measured=measured, near=tuple(NearCopy(*pair) for pair in near))


def _same_bytes(store: ImageStore, records: Sequence[ImageRecord]) -> Iterator[bool]:
    """For some files at a time, whether those that were used hold the bytes that they held."""

    def look(start: int) -> bool:
        used = (record for record in records[start : start + _TOGETHER] if record.refusal is None)
        try:
            return all(digest_of(store.read(record.path)) == record.digest for record in used)
        except ImageError:
            return False

    with ThreadPoolExecutor(core_count(), thread_name_prefix="vidi-digest") as threads:
        try:
            yield from threads.map(look, range(0, len(records), _TOGETHER))
        finally:  # also at the first file that has changed
            threads.shutdown(cancel_futures=True)


def _refused_as_before(store: ImageStore, records: Sequence[ImageRecord], options: DecodeOptions) -> bool:
    before = {record.path: record.refusal.code for record in records if record.refusal is not None}
    again = read_images(store, list(before), options=options) if before else ()
    return all(read.error is not None and read.error.code == before[read.path] for read in again)
