"""Decode every file of a data set once, and say what its owner should know before anything is trained on it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import Building, Elsewhere, PixelCache, pixels_key
from vidi.data.checked import CONFLICT, CheckResult, ImageRecord, NearCopy
from vidi.data.checking.findings import find_conflicts, find_left_out, list_findings
from vidi.data.checking.kept import KeptReading, find_reading, keep_reading
from vidi.data.checking.measured import MEASURED_BYTES, captures_of, measure_file
from vidi.data.checking.shortcuts import find_shortcuts
from vidi.data.copies.capture import group_bursts
from vidi.data.copies.fingerprint import FINGERPRINT_BYTES, unpack_fingerprints
from vidi.data.copies.near_copies import find_near_copies
from vidi.data.dataset import Dataset
from vidi.images.account import Account, Entry
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.pool import ReadImage, read_images
from vidi.images.store import ImageStore

Progress = Callable[[int, int], None]  # images done, images in all
ReadElsewhere = Callable[[ImageStore, Sequence[str], DecodeOptions], Iterable[ReadImage]]  # measured by `measure_file`
DEFAULT_OPTIONS = DecodeOptions()


def check_dataset(
    dataset: Dataset,
    *,
    options: DecodeOptions = DEFAULT_OPTIONS,
    framing: Framing | None = None,
    cache: PixelCache | None = None,
    workers: int | None = None,
    on_progress: Progress | None = None,
    read: ReadElsewhere | None = None,
) -> CheckResult:
    """Decode every image once, and find damaged, duplicate and odd images.

    Args:
        dataset: images with their classes; nothing is decoded yet.
        options: how images are decoded.
        framing: with `cache`, how the decoded images are framed for keeping.
        cache: where the framed pixels are kept, one row for each of `dataset.images`, so that training need not
            decode again (`pixels_key` names them), with what this check has told: while no file changes, the next
            check with this framing decodes none.
        workers: decoding processes; one per core by default.
        on_progress: called with (images done, images in all).
        read: gives what is measured of every file, in order, where this process does not decode; without `cache`.

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
            stream = read_images(dataset.store, paths, measure=measure_file, options=options, workers=workers)
        return _conclude(dataset, _read(stream, len(paths), None, on_progress))
    reading = find_reading(cache, dataset.store, paths, framing=framing, options=options, on_progress=on_progress)
    if reading is None:
        stream = read_images(
            dataset.store, paths, framing=framing, measure=measure_file, options=options, workers=workers
        )
        with cache.building((len(paths), *framing.size, 3)) as building:
            reading = _read(stream, len(paths), building, on_progress)
            building.keep(pixels_key(reading.digests, framing, decoding=repr(options)))
        keep_reading(cache, reading, framing=framing, options=options)
    return _conclude(dataset, reading)


def _read(
    stream: Iterable[ReadImage], count: int, building: Building | Elsewhere | None, on_progress: Progress | None
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
    return KeptReading(records=dated, measured=measured, near=_near_copies(measured[:, :FINGERPRINT_BYTES], dated))


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


def _conclude(dataset: Dataset, reading: KeptReading) -> CheckResult:
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
    result = CheckResult(
        records=records, near_copies=near, findings=(), account=account, conflicting=frozenset(conflicting)
    )
    fingerprints = unpack_fingerprints(reading.measured[:, :FINGERPRINT_BYTES])
    result = replace(result, shortcuts=find_shortcuts(dataset, result, fingerprints))
    return replace(result, findings=list_findings(dataset, result, fingerprints))


def _near_copies(packed: NDArray[np.uint8], records: tuple[ImageRecord, ...]) -> tuple[NearCopy, ...]:
    """Near-copies among the usable images; of files with the same bytes one stands for all."""
    first = {record.digest: row for row, record in reversed([*enumerate(records)]) if record.refusal is None}
    return tuple(find_near_copies(unpack_fingerprints(packed), np.array(sorted(first.values()), np.int64)))
