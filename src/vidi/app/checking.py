"""The check of a gallery's images: only files that are new or were changed are decoded again."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.app.columns import BIT, EXACT, NEAR, ODD, SAME_PHOTOGRAPH, Findings, ImageList, Ints, kept_key
from vidi.data.cache import PixelCache
from vidi.data.checked import DataCheck, ImageRecord
from vidi.data.checking.check import check_dataset
from vidi.data.checking.measured import MEASURED_BYTES, measure_file
from vidi.data.checking.suspects import with_kept_suspects
from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.duplicates.fingerprint import COLOUR_SIDE, SIDE, unpack_fingerprints
from vidi.errors import ResourceError, VidiError
from vidi.files import unescape_path
from vidi.groups import join_links
from vidi.images.account import Account
from vidi.images.limits import NOTES, DecodeOptions
from vidi.images.pool import DecodeJob, ReadImage, read_images
from vidi.images.store import ImageStore
from vidi.images.workers.inside import end_with_parent, ignore_endings

Progress = Callable[[int, int], None]  # images done, images in all; what it raises ends the check
LOOK_SECONDS = 0.2  # between two looks at a check in a process of its own
COARSE = 4  # samples a side of the grey picture by which similar images are brought together
LEAF = 6  # images that are no longer told apart


@dataclass(frozen=True, slots=True, eq=False)
class _Again:
    """Reads files for a check: of those that are as they were, what was kept is given again."""

    images: ImageList
    found: Findings  # of these images, as far as they were looked at
    kept: NDArray[np.uint8] | None  # (files, MEASURED_BYTES) what was measured of them
    rows: Mapping[str, int]  # path → row of `kept`
    measured: NDArray[np.uint8]  # (images, MEASURED_BYTES), filled while the files go by

    def __call__(self, store: ImageStore, paths: Sequence[str], options: DecodeOptions) -> Iterator[ReadImage]:
        new = [path for path in paths if not self._is_kept(path)]
        fresh = iter(read_images(store, new, DecodeJob(measure=measure_file, options=options)))
        for path in paths:
            read = self._again(path) if self._is_kept(path) else next(fresh)
            row = self.images.row_of[path]
            if read.measured is not None:
                self.measured[row] = read.measured
                self.found.set_digest(row, read.digest)
            if read.error is not None:  # shown before the check has ended
                self.found.flags[row] |= BIT["unreadable"]
                self.found.notes[row] = read.error.cause
            yield read

    def _is_kept(self, path: str) -> bool:
        return path in self.rows and self.found.sizes[self.images.row_of[path], 0] > 0

    def _again(self, path: str) -> ReadImage:
        row = self.images.row_of[path]
        height, width, byte_count = self.found.sizes[row].tolist()
        measured = None if self.kept is None else self.kept[self.rows[path]]
        digest = self.found.digest(row) or ""
        return ReadImage(path=path, measured=measured, digest=digest, byte_count=byte_count, size=(height, width))


def check_images(
    dataset: Dataset, images: ImageList, found: Findings, *, cache: PixelCache, source: Path, on_progress: Progress
) -> Findings:
    """Look at every image that was not looked at before, and find what is odd among all.

    Args:
        dataset: as it was read, without what people said of it.
        images: of it.
        found: what is known already.
        cache: holds what was measured of those.
        source: names it there.
        on_progress: receives images done and images in all; what it raises ends the check.

    Raises:
        ResourceError: no room in the cache, and nowhere else.
    """
    key, names = kept_key(source, "measured"), kept_key(source, "measured paths")
    kept, told = cache.find(key, None), cache.find_bytes(names)
    rows = {} if kept is None or told is None else {path: row for row, path in enumerate(_split(told))}
    with cache.building((max(1, len(images)), MEASURED_BYTES)) as building:
        measured = building.pixels[: len(images)]
        again = _Again(images, found, kept, rows if kept is not None and len(rows) == len(kept) else {}, measured)
        check = check_dataset(_with_unlabelled(dataset, images), on_progress=on_progress, read=again)
        result = _findings_of(images, check, measured, before=found)
        del kept, again  # Windows gives no new name to a file that is mapped
        building.keep(key)
    cache.keep_bytes(names, "\0".join(images.paths).encode("utf-8", "surrogateescape"))
    return result


def check_apart(
    dataset: Dataset, images: ImageList, found: Findings, *, cache: PixelCache, source: Path, on_progress: Progress
) -> Findings:
    """The same as `check_images` in a process of its own, whose memory goes with it.

    Files that cannot be used are entered into `found` while the check goes on.

    Raises:
        ResourceError: as there, or the process has ended early.
    """
    context = multiprocessing.get_context("spawn")
    heard, told = context.Pipe(duplex=False)
    process = context.Process(
        target=_check_and_tell, args=(told, dataset, images, found), kwargs={"folder": cache.folder, "source": source}
    )
    process.start()
    told.close()
    done, total = 0, len(images)
    try:
        while True:
            on_progress(done, total)
            if not heard.poll(LOOK_SECONDS):
                continue
            said = heard.recv()
            if isinstance(said, Findings):
                return said
            if isinstance(said, VidiError):
                raise said
            done, total, refused = said
            found.flags[list(refused)] |= BIT["unreadable"]
            found.notes.update(refused)
    except EOFError:
        raise ResourceError(
            "The check of the images has ended early.", "Free some memory, and open them again."
        ) from None
    finally:
        process.kill()
        process.join()
        heard.close()


def _check_and_tell(
    told: Connection, dataset: Dataset, images: ImageList, found: Findings, *, folder: Path, source: Path
) -> None:
    """Inside of that process: say how far it is now and then, and at the end what was found."""
    ignore_endings()  # the parent ends it
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    known, said = set(found.notes), time.monotonic()

    def on_progress(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= LOOK_SECONDS or done == total:
            said = time.monotonic()
            new = {row: found.notes[row] for row in found.notes.keys() - known}
            known.update(new)
            told.send((done, total, new))

    cache = PixelCache(folder, go_on=lambda _: None)
    try:
        told.send(check_images(dataset, images, found, cache=cache, source=source, on_progress=on_progress))
    except VidiError as error:
        told.send(error)


def _split(told: bytes) -> list[str]:
    return told.decode("utf-8", "surrogateescape").split("\0")


def _with_unlabelled(dataset: Dataset, images: ImageList) -> Dataset:
    """The data set with the images that have no class, in the order of the list."""
    labelled = {image.path: image for image in dataset.images}
    paths = [path for row, path in enumerate(images.paths) if row not in images.refused]
    every = tuple(labelled.get(path) or LabelledImage(path, frozenset()) for path in paths)
    account = Account(len(every), refused=list(dataset.account.refused))
    return replace(dataset, images=every, account=account)


def _findings_of(images: ImageList, check: DataCheck, measured: NDArray[np.uint8], *, before: Findings) -> Findings:
    """What a check found, by the rows of the list."""
    found = Findings.none_of(images)
    rows = np.array([images.row_of[record.path] for record in check.records], np.int64)
    for row, record in zip(rows.tolist(), check.records, strict=True):
        found.sizes[row] = (*record.size, record.byte_count)
        if record.digest is not None:
            found.set_digest(row, record.digest)
        if record.refusal is not None:
            found.flags[row] |= BIT["unreadable"]
            found.notes[row] = record.refusal.sentence
        elif record.notes:
            found.notes[row] = " ".join(NOTES.get(note, note) for note in record.notes)
        elif row in before.notes and before.sizes[row, 0] > 0:
            found.notes[row] = before.notes[row]
    for finding in check.findings:
        if finding.kind in ODD:
            for (path,) in finding.paths:
                found.flags[images.row_of[path]] |= BIT[finding.kind]
    same_frame = [(pair.first, pair.second) for pair in check.near_duplicates if pair.same_frame]
    exact = check.exact_links
    for place, links in ((EXACT, exact), (NEAR, [*exact, *check.near_links]), (SAME_PHOTOGRAPH, [*exact, *same_frame])):
        found.groups[place, rows] = _numbered(len(rows), links)
    found.alike[:] = order_alike(measured)
    return found


def _numbered(count: int, links: Sequence[tuple[int, int]]) -> Ints:
    """(images,) the number of each image's group; -1 for one that stands alone."""
    groups = join_links(count, links)
    return np.where(np.bincount(groups, minlength=count)[groups] > 1, groups, -1).astype(np.int32)


def order_alike(measured: NDArray[np.uint8]) -> Ints:
    """The place of each image in an order in which similar ones are neighbours: (images,) int32.

    The images are cut in two halves along the direction in which they differ most, and so are the halves.

    Args:
        measured: (images, MEASURED_BYTES) as `measure_file` gives it; zeros for a file that cannot be read.
    """
    count = len(measured)
    values = np.zeros((count, COARSE * COARSE + 8), np.float32)
    for start in range(0, count, 4096):  # some at a time: all of them would take much memory
        prints = unpack_fingerprints(np.asarray(measured[start : start + 4096]))
        grey = prints.grey.reshape(-1, COARSE, SIDE // COARSE, COARSE, SIDE // COARSE).mean(axis=(2, 4))
        half = COLOUR_SIDE // 2
        colour = prints.colour.reshape(-1, 2, 2, half, 2, half).mean(axis=(3, 5))
        values[start : start + len(grey)] = np.hstack([grey.reshape(len(grey), -1), 2 * colour.reshape(len(grey), -1)])
    order = np.arange(count)
    waiting = [(0, count)]
    while waiting:
        first, end = waiting.pop()
        if end - first > LEAF:
            part = order[first:end]
            order[first:end] = part[np.argsort(_along_most(values[part]), kind="stable")]
            middle = (first + end) // 2
            waiting += [(first, middle), (middle, end)]
    places = np.empty(count, np.int32)
    places[order] = np.arange(count, dtype=np.int32)
    return places


def _along_most(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(images,) where each lies along the direction in which they differ most."""
    centred = values - values.mean(axis=0)
    direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    along: NDArray[np.float32] = centred @ (direction * np.sign(direction[0] or 1))
    return along


def find_suspects(
    cache: PixelCache, dataset: Dataset, images: ImageList, found: Findings, names: Sequence[str]
) -> bool:
    """Enter the labels that the last `vidi check --suspects` doubted; whether it has been asked at all.

    Args:
        cache: where it kept them.
        dataset: as it was read, without what people said of it.
        images: of it.
        found: of them; it is changed.
        names: of the classes, by index.
    """
    records = tuple(ImageRecord(path, found.digest(row)) for row, path in enumerate(images.paths))
    blank = DataCheck(records=records, near_duplicates=(), findings=(), account=Account())
    told = with_kept_suspects(cache, dataset, blank).findings
    found.suggested[:] = -1
    for finding in told:
        for one in finding.suspects:
            row, suggested = images.row_of.get(one.path, -1), unescape_path(one.suggested)
            if row >= 0 and suggested in names:
                found.suggested[row], found.shares[row] = names.index(suggested), one.suggested_confidence
    return bool(told)
