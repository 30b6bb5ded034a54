"""Where notices go: lines, a folder, clips, a log, a webhook. One that fails for a while ends none of the others."""

import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

import numpy as np
from numpy.typing import NDArray

from vidi.detection.locate import Located
from vidi.errors import UsageError, VidiError
from vidi.files import TEMPORARY_PREFIX, escape_path, write_atomic, writing_error
from vidi.images.encode import encode_jpeg
from vidi.images.framing import Size, fitted_size, resize
from vidi.images.store import FolderStore
from vidi.log.address import parse_address
from vidi.log.records import LoggedEvent
from vidi.log.writer import DAY
from vidi.numbers import percent
from vidi.report.pages.watch import notice_line, write_watch_page
from vidi.report.pictures.overlays import draw_boxes
from vidi.video.clips import ClipFile
from vidi.workflows.requests.in_use import WatchOutputs
from vidi.workflows.watching.session import AnsweredFrame, EventNotice, Notice
from vidi.workflows.watching.webhook import Webhook, parse_webhook, read_secret

if TYPE_CHECKING:
    from vidi.log.store import PredictionLog

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
Notify = Callable[[Notice], None]
Show = Callable[[AnsweredFrame], None]
Say = Callable[[str], None]
BEFORE_SECONDS: Final = 3.0  # that a clip shows before its event, and after it
HELD_SECONDS: Final = 8.0  # an event is reported some time after its beginning
LONGEST_SECONDS: Final = 120.0  # of a clip; the rest of a longer event is left out
LONGER_SIDE: Final = 640  # pixels
ENDING: Final = ".webm"


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
            write_atomic(self.folder / name, snapshot(notice.image, notice.boxes or ()))
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


def printing(stream: TextIO, *, as_json: bool) -> Notify:
    """What prints each event as it comes.

    Args:
        stream: where to.
        as_json: documents, one a line; else lines for people.
    """

    def notify(notice: Notice) -> None:
        document = notice.as_json()
        stream.write((json.dumps(document, ensure_ascii=True) if as_json else notice_line(document)) + "\n")
        stream.flush()

    return notify


def steady(notify: Notify, what: str, say: Say) -> Notify:
    """The same, but it raises nothing: what goes wrong is said once, and once that it works again.

    Args:
        notify: that may fail.
        what: its name for people.
        say: receives a sentence.
    """
    troubles: list[str] = []

    def attempt(notice: Notice) -> None:
        try:
            notify(notice)
        except VidiError as error:
            if troubles != [error.cause]:
                say(f"{what}: {error.cause}; watching goes on")
            troubles[:] = [error.cause]
        else:
            if troubles:
                say(f"{what}: works again")
            troubles.clear()

    return attempt


class OpenedOutputs:
    """What receives frames and events, besides the terminal."""

    def __init__(self) -> None:
        self.receivers: list[Notify] = []  # in a thread of their own, so that they may take their time
        self._at_once: list[Notify] = []
        self._shows: list[Show] = []
        self.folder: EventFolder | None = None

    def add(self, *, show: Show | None = None, notify: Notify | None = None, at_once: Notify | None = None) -> None:
        """Add what receives frames, events, or events in the thread that looks at frames."""
        self._shows += [] if show is None else [show]
        self.receivers += [] if notify is None else [notify]
        self._at_once += [] if at_once is None else [at_once]

    def show(self, answered: AnsweredFrame) -> None:
        """Hand a frame over."""
        for show in self._shows:
            show(answered)

    def notify_at_once(self, notice: Notice) -> None:
        """Hand an event over to what must know it before the next frame."""
        for notify in self._at_once:
            notify(notice)


@contextlib.contextmanager
def open_outputs(request: WatchOutputs, environment: Mapping[str, str], *, say: Say) -> Iterator[OpenedOutputs]:
    """What receives events besides the terminal.

    Args:
        request: where they go.
        environment: variables of the process, for secrets.
        say: receives messages.

    Raises:
        UsageError: a place is wrong.
        ResourceError: one cannot be opened.
    """
    opened = OpenedOutputs()
    with contextlib.ExitStack() as stack:
        if request.output is not None:
            folder = EventFolder(request.output, with_images=request.images, days=request.keep_days)
            opened.add(notify=steady(folder.keep, "the folder", say))
            opened.folder = folder
            if request.clips:
                clips = stack.enter_context(ClipRecorder(request.output, say=say))
                opened.add(show=clips.show, at_once=clips.notify)
        if request.log is not None:
            from vidi.log.store import PredictionLog  # a database's driver, only where one is named

            address = parse_address(request.log, environment=environment)
            log = stack.enter_context(PredictionLog.open(address))
            opened.add(notify=steady(EventLogger(log).notify, "the log", say))
        if request.webhook is not None:
            secret = read_secret(environment)
            if secret is None:
                say("webhook: events are not signed; VIDI_WEBHOOK_SECRET or VIDI_WEBHOOK_SECRET_FILE gives a secret")
            webhook = Webhook(parse_webhook(request.webhook), secret, say=say)
            opened.add(notify=stack.enter_context(webhook).notify)
        yield opened


class EventLogger:
    """Writes each event to the log, one row for all that is said of it."""

    def __init__(self, log: "PredictionLog", *, now: Callable[[], float] = time.time) -> None:
        self._log, self._now = log, now

    def notify(self, notice: Notice) -> None:
        """Write an event; what happens to the source itself is not logged.

        Raises:
            LogUnavailableError: the log cannot be written now.
        """
        if not isinstance(notice, EventNotice):
            return
        event, began_at = notice.event, notice.watched.began_at
        self._log.note_events(
            [
                LoggedEvent(
                    id=event.id,
                    at=self._now() if began_at is None else began_at + event.began,
                    state=event.state,
                    source=notice.watched.source,
                    model_id=notice.watched.model_id,
                    label=event.label,
                    began=event.began,
                    last_seen=event.last_seen,
                    best=event.best.seconds,
                    score=event.best.score,
                )
            ]
        )


@dataclass(slots=True, kw_only=True)
class _Clip:
    """A clip that is being written."""

    file: ClipFile
    path: Path  # when it is whole
    began: float  # seconds of the source
    until: float | None = field(default=None)  # None while the event goes on


class ClipRecorder:
    """Writes a clip for each event. A context: leaving it ends all clips. Not safe to use from several threads."""

    def __init__(self, folder: Path, *, say: Say) -> None:
        """
        Args:
            folder: of the events; clips lie in a folder of their own in it.
            say: receives what goes wrong; a clip that cannot be written is given up.
        """
        self._folder, self._say = folder / CLIPS, say
        self._held: deque[tuple[float, NDArray[np.uint8]]] = deque()
        self._clips: dict[str, _Clip] = {}
        self._size: Size | None = None  # of the first frame, made small; all others are made so

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End all clips."""
        for name in list(self._clips):
            self._end(name)

    def show(self, answered: AnsweredFrame) -> None:
        """Take a frame."""
        seconds, image = answered.frame.seconds, answered.frame.image
        if self._size is None:
            self._size = clip_size((image.shape[0], image.shape[1]))
        small = resize(image, self._size)
        self._held.append((seconds, small))
        while self._held[0][0] < seconds - HELD_SECONDS:
            self._held.popleft()
        for name, clip in list(self._clips.items()):
            if seconds > (clip.began + LONGEST_SECONDS if clip.until is None else clip.until):
                self._end(name)
            else:
                with self._given_up_on_error(name):
                    clip.file.add(small, seconds)

    def notify(self, notice: Notice) -> None:
        """Begin a clip with its event, and end it some time after."""
        if not isinstance(notice, EventNotice) or self._size is None:
            return
        name = notice.event.id
        if notice.event.state == "new":
            self._begin(name, notice.event.began - BEFORE_SECONDS, self._size)
        elif notice.event.state == "end" and name in self._clips:
            self._clips[name].until = notice.event.last_seen + BEFORE_SECONDS
        notice.files["clip"] = f"{CLIPS}/{name}{ENDING}"

    def _begin(self, name: str, since: float, size: Size) -> None:
        with self._given_up_on_error(name):
            with contextlib.suppress(FileExistsError):
                self._folder.mkdir()
            path = self._folder / f"{name}{ENDING}"
            file = ClipFile(self._folder / f"{TEMPORARY_PREFIX}{name}{ENDING}", size)
            self._clips[name] = _Clip(file=file, path=path, began=since)
            for seconds, image in self._held:
                if seconds >= since:
                    file.add(image, seconds)

    def _end(self, name: str) -> None:
        clip = self._clips.pop(name)
        with self._given_up_on_error(name):
            clip.file.close()
            clip.file.path.replace(clip.path)

    @contextlib.contextmanager
    def _given_up_on_error(self, name: str) -> Iterator[None]:
        try:
            yield
        except (VidiError, OSError) as error:
            self._clips.pop(name, None)
            self._say(f"clip of {name}: {error.cause if isinstance(error, VidiError) else error}; watching goes on")


def clip_size(size: Size) -> Size:
    """The size of a clip's frames: even sides, none longer than 640 pixels.

    >>> clip_size((1080, 1920)), clip_size((101, 51))
    ((360, 640), (100, 50))
    """
    height, width = size if max(size) <= LONGER_SIDE else fitted_size(size, (LONGER_SIDE, LONGER_SIDE))
    return max(2, height // 2 * 2), max(2, width // 2 * 2)
