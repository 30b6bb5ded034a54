"""Decode every file of a data set once, and say what its owner should know before anything is trained on it."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import Building, PixelCache, UncachedArray, pixels_key
from vidi.data.checked import CONFLICT, DataCheck, ImageRecord, NearDuplicate
from vidi.data.checking.findings import find_left_out, list_findings
from vidi.data.checking.measured import MEASURED_BYTES, captures_of, measure_file
from vidi.data.checking.shortcuts import find_shortcuts
from vidi.data.dataset import Dataset
from vidi.data.duplicates.capture import group_bursts
from vidi.data.duplicates.fingerprint import FINGERPRINT_BYTES, unpack_fingerprints
from vidi.data.duplicates.near_duplicates import find_near_duplicates
from vidi.data.splitting.leaks import find_conflicts
from vidi.errors import ImageError, ResourceError
from vidi.files import digest_of
from vidi.images.account import Account, Entry
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.pool import DecodeJob, ReadImage, read_images
from vidi.images.store import ImageStore
from vidi.machine import core_count

RULES = 1  # raised whenever the same files would be measured, described or compared differently
_TOGETHER = 64  # files digested by one thread before the next look at the outcome
Progress = Callable[[int, int], None]  # images done, images in all
ReadElsewhere = Callable[[ImageStore, Sequence[str], DecodeOptions], Iterable[ReadImage]]  # measured by `measure_file`
DEFAULT_OPTIONS = DecodeOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReading:
    """Results of decoding every file once, in the order of the paths."""

    records: tuple[ImageRecord, ...]
    measured: NDArray[np.uint8]  # (files, MEASURED_BYTES), zeros for a refused file
    near: tuple[NearDuplicate, ...]

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
    """Keep the results of a reading beside its pixels, if there is room."""
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
    """Names of a reading in the cache: results and fingerprints, 64 hex digits each."""
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
    return KeptReading(records=records, measured=measured, near=tuple(NearDuplicate(*pair) for pair in near))


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
    again = read_images(store, list(before), DecodeJob(options=options)) if before else ()
    return all(read.error is not None and read.error.code == before[read.path] for read in again)


def check_dataset(
    dataset: Dataset,
    *,
    options: DecodeOptions = DEFAULT_OPTIONS,
    framing: Framing | None = None,
    cache: PixelCache | None = None,
    workers: int | None = None,
    on_progress: Progress | None = None,
    read: ReadElsewhere | None = None,
) -> DataCheck:
    """Decode every image once, and find damaged, duplicate and odd images.

    Args:
        cache: where the framed pixels are kept, one row for each of `dataset.images`, so that training need not
            decode again (`pixels_key` names them), with what this check has told: while no file changes, the next
            check with this framing decodes none.
        workers: decoding processes; one per core by default.
        on_progress: called with (images done, images in all).
        read: gives what is measured of every file, in order, where this process does not decode all; without `cache`.

    Returns:
        A record for every image, near-copies, findings, and the account of every file.

    Raises:
        ResourceError: no room for the cache.
    """
    paths = [image.path for image in dataset.images]
    if framing is None or cache is None:
        stream: Iterable[ReadImage]
        if read is not None:
            stream = read(dataset.store, paths, options)
        else:
            stream = read_images(
                dataset.store, paths, DecodeJob(measure=measure_file, options=options), workers=workers
            )
        return _conclude(dataset, _read(stream, len(paths), None, on_progress))
    reading = find_reading(cache, dataset.store, paths, framing=framing, options=options, on_progress=on_progress)
    if reading is None:
        stream = read_images(
            dataset.store, paths, DecodeJob(framing=framing, measure=measure_file, options=options), workers=workers
        )
        with cache.building((len(paths), *framing.size, 3)) as building:
            reading = _read(stream, len(paths), building, on_progress)
            building.keep(pixels_key(reading.digests, framing, decoding=repr(options)))
        keep_reading(cache, reading, framing=framing, options=options)
    return _conclude(dataset, reading)


def _read(
    stream: Iterable[ReadImage], count: int, building: Building | UncachedArray | None, on_progress: Progress | None
) -> KeptReading:
    """What is kept of each file while the files go by, and which of them are near-copies."""
    records: list[ImageRecord] = []
    measured = np.zeros((count, MEASURED_BYTES), np.uint8)
    for index, read in enumerate(stream):
        records.append(_record_of(read))
        if read.measured is not None:
            measured[index] = read.measured
        if building is not None and read.image is not None:
            building.pixels[index] = read.image
        if on_progress is not None:
            on_progress(index + 1, count)
    bursts = group_bursts(captures_of(measured))
    dated = tuple(replace(record, capture=burst) for record, burst in zip(records, bursts, strict=True))
    return KeptReading(records=dated, measured=measured, near=_near_duplicates(measured[:, :FINGERPRINT_BYTES], dated))


def _record_of(read: ReadImage) -> ImageRecord:
    refusal = None if read.error is None else Entry(read.path, read.error.code, read.error.cause)
    return ImageRecord(
        path=read.path,
        digest=None if refusal else read.digest,
        byte_count=read.byte_count,
        size=read.size or (0, 0),
        notes=read.notes,
        refusal=refusal,
    )


def _conclude(dataset: Dataset, reading: KeptReading) -> DataCheck:
    records, near = reading.records, reading.near
    conflicting = find_conflicts(dataset, records, near)
    scan = dataset.account
    refused = [record.refusal for record in records if record.refusal is not None]
    account = Account(
        used=len(records) - len(refused),
        set_aside=list(scan.set_aside),
        refused=[*scan.refused, *refused],
        ignored=list(scan.ignored),
    )
    left_out = sorted(find_left_out(dataset, conflicting))
    account = account.setting_aside(Entry(dataset.images[index].path, *CONFLICT) for index in left_out)
    result = DataCheck(
        records=records, near_duplicates=near, findings=(), account=account, conflicting=frozenset(conflicting)
    )
    fingerprints = unpack_fingerprints(reading.measured[:, :FINGERPRINT_BYTES])
    looked_at = _without_left_out(dataset, result)
    result = replace(result, shortcuts=find_shortcuts(dataset, looked_at, fingerprints))
    looked_at = replace(looked_at, shortcuts=result.shortcuts)
    return replace(result, findings=list_findings(dataset, looked_at, fingerprints))


def _without_left_out(dataset: Dataset, check: DataCheck) -> DataCheck:
    """The same without the images that people left out: nothing is to be found about them any more."""
    entries = [image.left_out and Entry(image.path, *image.left_out) for image in dataset.images]
    if not any(entries):
        return check
    records = (
        record if entry is None else replace(record, refusal=entry)
        for record, entry in zip(check.records, entries, strict=True)
    )
    near = (pair for pair in check.near_duplicates if not (entries[pair.first] or entries[pair.second]))
    return replace(check, records=tuple(records), near_duplicates=tuple(near))


def _near_duplicates(packed: NDArray[np.uint8], records: tuple[ImageRecord, ...]) -> tuple[NearDuplicate, ...]:
    """Near-copies among the usable images; of files with the same bytes one stands for all."""
    first = {record.digest: row for row, record in reversed([*enumerate(records)]) if record.refusal is None}
    return tuple(find_near_duplicates(unpack_fingerprints(packed), np.array(sorted(first.values()), np.int64)))
