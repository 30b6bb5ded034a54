"""The images of a project: listed at once, checked in the background, and labelled one by one or many at a time."""

import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from string import hexdigits
from typing import Final, Self

import numpy as np

from vidi.app.checking import check_apart, check_images, find_suspects
from vidi.app.columns import DIGEST_BYTES, Findings, ImageList, Rows, find_kept, keep, list_images
from vidi.app.said import Act, Said
from vidi.app.view import Snapshot, leave_one, snapshot
from vidi.data.cache import PixelCache, cache_folder
from vidi.data.dataset import Dataset
from vidi.data.joined import digest_in
from vidi.data.labels import NO_LABELS, How, Kind, LabelsFile
from vidi.data.readers.class_names import folded_name
from vidi.errors import UsageError, VidiError
from vidi.machine import core_count
from vidi.workflows.interaction.request import read_as_given
from vidi.workflows.requests.data import DataRequest

MOST_NAME: Final = 100  # signs of a class name
REST_SECONDS: Final = 2.0  # before images that are known are listed again: the page is answered first
APART: Final = 5_000  # images that are checked in a process of its own: one takes up to 10 kB meanwhile
LAST_SECONDS: Final = 5.0  # to wait for the background at the end
STAGES: Final = ("reading", "checking", "done")


class _Closed(Exception):  # noqa: N818 - no error: the gallery was closed while it worked
    pass


@dataclass(slots=True)
class Progress:
    """What the background is doing."""

    stage: str = "reading"  # of `STAGES`
    done: int = 0
    total: int = 0
    trouble: VidiError | None = None  # why it ended early
    has_suspects: bool = False  # labels were doubted by a pretrained network


@dataclass(slots=True)
class _State:
    """What is replaced as a whole when the images are others."""

    images: ImageList
    found: Findings
    stamp: str = field(default_factory=lambda: secrets.token_hex(4))
    dataset: Dataset | None = None  # as it was read; None where only what was kept is known


class Gallery:
    """The images of one source, what was found about them, and what people said. Safe to use from several threads."""

    def __init__(self, source: Path, labels: Path, *, who: str, now: Callable[[], float] = time.time) -> None:
        """
        Args:
            source: a folder, archive or table of images.
            labels: file of what people say of them.
            who: gives the answers.
        """
        self.source, self.progress = source, Progress()
        self._said, self._now = Said(LabelsFile(labels), who, []), now
        self._cache = PixelCache(cache_folder(), go_on=lambda _: None)
        self._state: _State | None = None
        self._lock = threading.RLock()
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def open(cls, source: Path, labels: Path, *, who: str) -> Self:
        """Show what is known from last time, if anything, and look at the images in a thread of its own."""
        gallery = cls(source, labels, who=who)
        kept = find_kept(gallery._cache, source, at_once=True)
        if kept is not None:
            gallery._replace(_State(*kept))
        gallery.look_again(rest_seconds=0 if kept is None else REST_SECONDS)
        return gallery

    def look_again(self, *, rest_seconds: float = 0) -> None:
        """List the images again and check what is new, in a thread of its own; nothing where one is at it already.

        Args:
            rest_seconds: before it begins.
        """
        with self._lock:
            if self._is_closed.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            self.progress = Progress(has_suspects=self.progress.has_suspects)
            self._thread = threading.Thread(target=self._work, args=(rest_seconds,), name="vidi-gallery", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the work in the background; what was said is on the disk already."""
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS)

    def wait(self) -> Self:
        """Wait until everything was looked at; for programs that have nothing else to do."""
        if self._thread is not None:
            self._thread.join()
        return self

    @property
    def stamp(self) -> str:
        """Changes whenever rows mean other images."""
        return "" if self._state is None else self._state.stamp

    @property
    def can_undo(self) -> bool:
        """Whether this person has said anything that is not taken back."""
        return any(act.who == self._said.who for act in self._said.acts)

    def now(self) -> Snapshot | None:
        """What is known now; None until the images are listed."""
        with self._lock:
            if self._state is None:
                return None
            self._said.catch_up(len(self._state.images), self._locate)
            return snapshot(self._state.images, self._state.found, self._said)

    def row(self, name: str) -> int:
        """The row of an image: by its digest, or by the list's stamp, a dot and the row.

        Raises:
            UsageError: there is none.
        """
        state = self._listed()
        stamp, _, number = name.rpartition(".")
        if stamp == state.stamp and number.isdigit() and int(number) < len(state.images):
            return int(number)
        rows = self._rows_of_digest(name)
        if not rows:
            raise UsageError(f"no image has the digest {name[:80]}", "Load the page again.")
        return rows[0]

    def paths_of(self, digest: str) -> list[str]:
        """The files with these bytes, as far as files are known yet."""
        return [] if self._state is None else [self._state.images.paths[row] for row in self._rows_of_digest(digest)]

    def read(self, row: int) -> bytes:
        """The bytes of an image file.

        Raises:
            ImageError: it cannot be read.
        """
        images = self._listed().images
        return images.store.read(images.paths[row])

    def answer(
        self, rows: Rows, kind: Kind, labels: Sequence[str] = (), *, key: str, how: How | None = None
    ) -> tuple[int, int]:
        """Keep one answer about images as one line; it is on the disk, and counts, when this returns.

        An answer about an image is one about all files with the same bytes.

        Args:
            rows: the images.
            kind: what is said; `copy`: these files go, other copies of the images stay.
            labels: one class, for the kind `label`; a new name is a new class.
            key: new for each answer.
            how: the images were looked at; by default one, or many.

        Returns:
            How many images it is about, and how many of those asked for are left out, for they cannot be read.

        Raises:
            UsageError: the class has no name.
            ResourceError: it cannot be kept.
        """
        with self._lock:
            state = self._listed()
            self._said.catch_up(len(state.images), self._locate)
            name = [self._class_name(one) for one in labels[:1]] if kind == "label" else []
            asked = len(rows)
            rows = self._digested(np.unique(rows))
            lost = asked - len(rows)
            if kind != "copy":
                rows = self._with_same_bytes(rows)
            if len(rows):
                how = how or ("one" if asked == 1 else "bulk")
                act = Act(key, self._said.who, kind, tuple(name), how == "bulk", rows)
                images = [(state.found.digest(row) or "", state.images.paths[row]) for row in rows.tolist()]
                self._said.add(act, images, how=how, at=self._now())
            return len(rows), lost

    def take_suggestions(self, rows: Rows, *, key: str) -> tuple[int, int]:
        """Give each image the class that a pretrained network sees, as one answer with a line for each class.

        Returns and raises as `answer` does.
        """
        with self._lock:
            suggested = self._listed().found.suggested[rows]
            done = lost = 0
            for place, label in enumerate(np.unique(suggested[suggested >= 0]).tolist()):
                of = rows[suggested == label]
                counts = self.answer(of, "label", [self._said.names[label]], key=f"{key}-{place}", how="suggested")
                done, lost = done + counts[0], lost + counts[1]
            return done, lost

    def keep_one(self, rows: Rows, *, key: str, exact: bool) -> tuple[int, int]:
        """Leave out all copies of images but one, or but those that are chosen; as `answer`.

        Args:
            rows: images of some groups of copies.
            key: new for each answer.
            exact: only files with the same bytes are copies.
        """
        with self._lock:
            now = self.now()
            gone = np.zeros(0, np.int64) if now is None else leave_one(now, rows, exact=exact)
            return self.answer(gone, "copy", key=key, how="bulk") if len(gone) else (0, 0)

    def undo(self) -> Rows:
        """Take the last answer of this person back, also one of an earlier day, and give the rows that it was about."""
        with self._lock:
            state = self._listed()
            self._said.catch_up(len(state.images), self._locate)
            return self._said.undo(at=self._now())

    def _look_for_suspects(self) -> None:
        """Enter what the last `vidi check --suspects` of these images has found."""
        state = self._listed()
        if state.dataset is not None:
            found = find_suspects(self._cache, state.dataset, state.images, state.found, self._said.names)
            self.progress.has_suspects = found

    def _listed(self) -> _State:
        if self._state is None:
            raise UsageError("the images are not listed yet", "Try again in a moment.")
        return self._state

    def _class_name(self, typed: str) -> str:
        """A class as it is called already, in whatever case it is typed; else a new one."""
        name = unicodedata.normalize("NFC", typed).strip()
        if not name or len(name) > MOST_NAME or not name.isprintable():
            raise UsageError("a class needs a name of up to 100 signs", "Type another one.")
        return next((one for one in self._said.names if folded_name(one) == folded_name(name)), name)

    def _digested(self, rows: Rows) -> Rows:
        """Those of some rows whose files can be read, each with its digest known."""
        state = self._listed()
        new = rows[~state.found.is_known[rows]]
        with ThreadPoolExecutor(core_count(), thread_name_prefix="vidi-digest") as threads:
            paths = [state.images.paths[row] for row in new.tolist()]
            for row, digest in zip(
                new.tolist(), threads.map(partial(digest_in, state.images.store), paths), strict=True
            ):
                if digest is not None:
                    state.found.set_digest(row, digest)
        return rows[state.found.is_known[rows]]

    def _with_same_bytes(self, rows: Rows) -> Rows:
        exact = self._listed().found.groups[0]
        groups = exact[rows]
        return np.union1d(rows, np.flatnonzero(np.isin(exact, groups[groups >= 0]))) if (groups >= 0).any() else rows

    def _rows_of_digest(self, digest: str) -> list[int]:
        """The files with these bytes."""
        if len(digest) != DIGEST_BYTES * 2 or not set(digest) <= set(hexdigits):
            return []
        found, wanted = self._listed().found, np.frombuffer(bytes.fromhex(digest), np.uint64)
        rows = np.flatnonzero(found.digests.view(np.uint64)[:, 0] == wanted[0])  # of 100,000 in 0.1 ms
        return [row for row in rows.tolist() if found.is_known[row] and found.digest(row) == digest.lower()]

    def _locate(self, digest: str, path: str) -> Sequence[int]:
        """The rows that an opinion is about: the file at its path, or those with its bytes."""
        state = self._listed()
        row = state.images.row_of.get(path)
        if row is not None and state.found.digest(row) in (None, digest):
            return [row]
        return self._rows_of_digest(digest)

    def _replace(self, state: _State) -> None:
        """Show other images, or the same with other findings."""
        with self._lock:
            self._state = state
            self._said.names[:] = list(dict.fromkeys([*state.images.classes, *self._said.names]))
            self._said.catch_up(len(state.images), self._locate, again=True)

    def _work(self, rest_seconds: float) -> None:
        """List the images, check what is new, and keep both: in the thread of the background."""
        try:
            if self._is_closed.wait(rest_seconds):
                return
            self._check(is_new=self._list())
        except _Closed:
            pass
        except VidiError as error:
            self.progress.trouble = error
        finally:
            self.progress.stage = "done"

    def _list(self) -> bool:
        """List the images, and give whether they are others than before."""
        request = DataRequest(source=str(self.source), labels=NO_LABELS)
        dataset = read_as_given(request, may_be_empty=True)
        images, before = list_images(dataset), self._state
        if before is None:
            kept = find_kept(self._cache, self.source, at_once=False)
            found = Findings.none_of(images) if kept is None else kept[1].carried_over(kept[0], images)
            self._replace(_State(images, found, dataset=dataset))
        elif before.images.is_as(images):
            before.dataset = dataset
            return False
        else:
            found = before.found.carried_over(before.images, images)
            self._replace(_State(images, found, dataset=dataset))
        return True

    def _check(self, *, is_new: bool) -> None:
        state = self._listed()
        assert state.dataset is not None  # noqa: S101  # `_list` has read it
        self.progress.stage = "checking"
        self._look_for_suspects()
        if state.found.is_complete:
            if is_new:
                keep(self._cache, self.source, state.images, state.found)
            return
        check = check_images if len(state.images) < APART else check_apart
        found = check(
            state.dataset,
            state.images,
            state.found,
            cache=self._cache,
            source=self.source,
            on_progress=self._on_progress,
        )
        self._replace(_State(state.images, found, stamp=state.stamp, dataset=state.dataset))
        self._look_for_suspects()
        keep(self._cache, self.source, state.images, found)

    def _on_progress(self, done: int, total: int) -> None:
        if self._is_closed.is_set():
            raise _Closed
        self.progress.done, self.progress.total = done, total
