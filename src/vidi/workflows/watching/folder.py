"""The folder of a watch: a table of events, a snapshot of each, and how long snapshots and clips are kept."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vidi.detection.locate import Located
from vidi.errors import UsageError
from vidi.files import escape_path, write_whole, writing_error
from vidi.images.encode import encode_jpeg
from vidi.images.scan import FolderStore
from vidi.log.writer import DAY
from vidi.numbers import percent
from vidi.report.pages.watch import write_watch_page
from vidi.report.pictures.overlays import draw_boxes
from vidi.workflows.watching.notices import EventNotice, Notice

EVENTS, SNAPSHOTS, CLIPS = "events.jsonl", "snapshots", "clips"
QUALITY: Final = 88  # of JPEG
MEGABYTE: Final = 1e6
PAGE: Final = "index.html"
PAGE_NEEDS: Final = {"id", "event", "label", "began", "began_at", "last_seen", "duration", "best"}
PAGE_SECONDS: Final = 600.0  # between two writings of the page, while a stream goes on
MOST_KNOWN: Final = 1_000  # events, for the page
TAIL_BYTES: Final = 2_000_000  # of the table, that are read when a watch goes on in its folder
TRIM_SECONDS: Final = 60.0  # between two looks at age and size
PICTURES: Final = (".jpg", ".webm")


class EventFolder:
    """Keeps events in a folder. Not safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        *,
        with_images: bool,
        days: float,
        megabytes: float = 1_000.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make the folder, or go on in one that holds events already.

        Args:
            folder: of the events.
            with_images: keep snapshots.
            days: for at most this long.
            megabytes: the newest snapshots and clips up to this size in all.
            now: seconds since 1970, UTC.

        Raises:
            UsageError: the folder holds other things.
            ResourceError: it cannot be written.
        """
        self.folder, self._with_images = folder, with_images
        self._days, self._bytes, self._now = days, int(megabytes * MEGABYTE), now
        self._shown: dict[str, int] = {}  # event → number of the frame that its snapshot shows
        self._trimmed, self._paged = float("-inf"), now()
        self._known: dict[str, Mapping[str, Any]] = {}  # event → the last word about it
        self._source, self._seconds = "", 0.0
        try:
            if folder.exists() and not (folder / EVENTS).exists() and any(folder.iterdir()):
                raise UsageError(
                    f"{escape_path(folder)} holds other things than events", "Name a new folder, or an empty one."
                )
            (folder / SNAPSHOTS).mkdir(parents=True, exist_ok=True)
            (folder / EVENTS).touch()
            self._read()
        except OSError as error:
            raise writing_error(error, folder) from error
        self.trim()

    def keep(self, notice: Notice) -> None:
        """Keep an event or a change of the source; a snapshot is written where it is better than the one before.

        Raises:
            ResourceError: it cannot be written.
        """
        if isinstance(notice, EventNotice) and self._with_images:
            self._keep_snapshot(notice)
        document = notice.as_json()
        line = json.dumps(document, ensure_ascii=True) + "\n"
        try:
            with (self.folder / EVENTS).open("a", encoding="ascii") as stream:
                stream.write(line)
        except OSError as error:
            raise writing_error(error, self.folder / EVENTS) from error
        self._know(document)
        self._source = notice.watched.source
        self._seconds = notice.event.last_seen if isinstance(notice, EventNotice) else notice.change.seconds
        if self._now() >= self._trimmed + TRIM_SECONDS:
            self.trim()
        if self._now() >= self._paged + PAGE_SECONDS:
            self.write_page(self._source, self._seconds)

    def write_page(self, source: str, seconds: float) -> None:
        """Write the page of all events that are known.

        Args:
            source: that is watched.
            seconds: of it, so far.

        Raises:
            MissingPackageError: jinja2 or matplotlib is not installed.
            ResourceError: it cannot be written.
        """
        self._paged = self._now()
        store = FolderStore(self.folder)
        write_watch_page(self.folder / PAGE, list(self._known.values()), source=source, seconds=seconds, store=store)

    def _read(self) -> None:
        """The events of earlier watches in this folder, as far as the page shows them."""
        with (self.folder / EVENTS).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES))
            for line in stream.read().splitlines():
                with contextlib.suppress(ValueError):  # the first may be cut, the last half written
                    document = json.loads(line)
                    if isinstance(document, dict):
                        self._know(document)

    def _know(self, document: Mapping[str, Any]) -> None:
        if not document.keys() >= PAGE_NEEDS:
            return
        self._known.pop(document["id"], None)
        self._known[document["id"]] = document
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def trim(self) -> None:
        """Delete snapshots and clips that are too old, then the oldest until the rest fits."""
        self._trimmed = self._now()
        kept = [*(self.folder / SNAPSHOTS).glob("*"), *(self.folder / CLIPS).glob("*")]
        pictures = [path for path in kept if path.suffix in PICTURES and not path.name.startswith(".")]
        for path in too_many(pictures, before=self._now() - self._days * DAY, most_bytes=self._bytes):
            path.unlink(missing_ok=True)

    def _keep_snapshot(self, notice: EventNotice) -> None:
        event = notice.event
        name = f"{SNAPSHOTS}/{event.id}.jpg"
        notice.files["snapshot"] = name
        if self._shown.get(event.id) != event.best.number:
            write_whole(self.folder / name, snapshot(notice.image, notice.boxes or ()))
        self._shown[event.id] = event.best.number
        if event.state == "end":
            del self._shown[event.id]


def snapshot(image: NDArray[np.uint8], boxes: Iterable[Located]) -> bytes:
    """A JPEG file of a frame with its boxes.

    Args:
        image: (height, width, 3) uint8.
        boxes: that are drawn.
    """
    found = list(boxes)
    drawn = draw_boxes(
        image,
        [one.box for one in found],
        [f"{one.label} {percent(one.score)}" for one in found],
        kinds=[one.label_index for one in found],
    )
    return encode_jpeg(drawn if found else image, quality=QUALITY)


def too_many(paths: Iterable[Path], *, before: float, most_bytes: int) -> list[Path]:
    """The files that are not to be kept any longer: those that are too old, and the oldest beyond a size in all.

    Args:
        paths: files; one that is gone does not count.
        before: a time, seconds since 1970, UTC.
        most_bytes: of those that stay.
    """
    known: list[tuple[float, Path, int]] = []
    for path in paths:
        try:
            found = os.stat(path)
        except OSError:
            continue
        known.append((found.st_mtime, path, found.st_size))
    gone, size = [], 0
    for at, path, length in sorted(known, reverse=True):
        size += length
        if at < before or size > most_bytes:
            gone.append(path)
    return gone
