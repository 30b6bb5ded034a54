"""Streams and cameras: the newest frame, whatever the network does."""

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from vidi.errors import VidiError
from vidi.video.decoding import Damage, pixels_of, read_pictures
from vidi.video.http import HttpStream
from vidi.video.opening import Opened

if TYPE_CHECKING:
    from av import VideoFrame

LOOK_SECONDS: Final = 0.1  # between two looks at `stop` and at the watchdog
JOIN_SECONDS: Final = 0.5  # for all readers together, at the end
EXIT_SECONDS: Final = 20.0  # and at the end of the interpreter, which must not end while a reader is inside FFmpeg
READER: Final = "vidi-stream"  # the name of their threads; `vidi.cli.app` looks for it
MOST_WEDGED: Final = 8  # threads that hang in the system's calls; no further connection is tried beside so many
Connect = Callable[[Callable[[HttpStream], None]], Opened]  # is handed what takes a connection that can be interrupted
Skip = Literal["DEFAULT", "NONREF", "NONKEY"]  # FFmpeg's words: decode all, what others rest on, whole pictures alone
# Formats whose pictures carry the sender's times; those of others are made up at a rate that is only stated.
TIMED: Final = {"rtsp", "mpegts", "flv", "matroska", "webm", "mov", "mp4", "asf", "ogg", "nut"}
MEMORY_SECONDS: Final = 60.0  # clocks drift apart by less in this time than matters here
LATE, VERY_LATE, IN_TIME = 0.5, 2.0, 0.2  # seconds behind the best of the last minute


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One image of a source, and when it was."""

    image: NDArray[np.uint8]  # (height, width, 3), RGB, upright: a rotation that the file asks for is done
    seconds: float  # since the first frame: a file's own timestamps; of a stream the time of arrival, by a steady clock
    number: int  # from 0; counts all frames of the source, those that were left out too


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """What happened to a source: a camera is gone or back, or a file is damaged."""

    kind: Literal["offline", "online", "damaged"]
    seconds: float  # as a frame's; 0 before the first frame
    reason: str  # one plain sentence without a full stop; holds no password


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a stream may take, and how soon it is tried again."""

    open_seconds: float = 15.0  # until the first picture
    read_seconds: float = 10.0  # between two pictures
    retry_seconds: float = 0.5  # after a first failure; doubled for each further one
    most_retry_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Arrived:
    """A picture and when it came."""

    picture: "VideoFrame"
    at: float  # by the steady clock
    count: int  # pictures of this connection until then, this one among them


class _Attempt:
    """One attempt at a source: a thread that takes every picture as it comes and keeps the newest."""

    def __init__(self, connect: Connect, clock: Callable[[], float]) -> None:
        self._connect, self._clock = connect, clock
        self._connection: HttpStream | None = None
        self._changed = threading.Condition()
        self._newest: _Arrived | None = None
        self._is_given_up = False
        self.count = 0
        self.last_sign = clock()  # of life
        self.is_over = False
        self.failure: VidiError | str = "the stream ended"
        self.thread = threading.Thread(target=self._drain, name=READER, daemon=True)

    def take(self, wait_seconds: float) -> _Arrived | None:
        """The newest picture that was not taken yet; None: none came in this time."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self.is_over, wait_seconds)
            taken, self._newest = self._newest, None
            return taken

    def give_up(self) -> None:
        """Have the thread end as soon as the call that it is in returns; over HTTP that is at once."""
        with self._changed:
            self._is_given_up, self._newest = True, None
            if self._connection is not None:
                self._connection.interrupt()

    def _connected(self, connection: HttpStream) -> None:
        with self._changed:
            self._connection = connection
            if self._is_given_up:
                connection.interrupt()

    def _drain(self) -> None:
        try:
            opened = self._connect(self._connected)
            pace = DecodingPace() if is_timed(opened) else None
            try:
                for picture in read_pictures(opened):
                    if self._is_given_up:
                        return
                    if isinstance(picture, Damage):
                        self.failure = picture.reason
                        continue
                    self._arrive(picture)
                    if pace is not None and picture.time is not None:
                        opened.stream.codec_context.skip_frame = pace.note(self.last_sign, picture.time)
            finally:
                with self._changed:
                    self._connection = None
                opened.close()
        except VidiError as error:
            self.failure = error
        finally:
            with self._changed:
                self.is_over = True
                self._changed.notify_all()

    def _arrive(self, picture: "VideoFrame") -> None:
        with self._changed:
            self.count += 1
            self.last_sign = self._clock()
            self._newest = _Arrived(picture=picture, at=self.last_sign, count=self.count)
            self._changed.notify_all()


class _Story:
    """What is known of a source so far: when it began, how many frames there were, and whether it is there."""

    def __init__(self) -> None:
        self.began: float | None = None  # by the steady clock
        self.number = 0  # frames of earlier connections
        self.is_online = True

    def seconds(self, now: float) -> float:
        return 0.0 if self.began is None else now - self.began

    def frame(self, arrived: _Arrived) -> Frame:
        if self.began is None:
            self.began = arrived.at
        return Frame(
            image=pixels_of(arrived.picture),
            seconds=arrived.at - self.began,
            number=self.number + arrived.count - 1,
        )


def watch_live(
    connect: Connect,
    stop: threading.Event,
    *,
    rate: float | None,
    patience: Patience,
    must_open: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Frame | SourceChange]:
    """The newest frames of a source that goes on without end; it is opened again whenever it is lost.

    Args:
        connect: opens the source once; may hang.
        stop: ends it, within about a second even while it connects.
        rate: at most so many frames a second; None: all that are taken in time.
        must_open: raise what the first attempt raises, in place of trying again.
        clock: steady seconds.

    Raises:
        VidiError: with `must_open`, the first attempt failed.
    """
    story, failures = _Story(), 0
    wedged: list[_Attempt] = []
    try:
        while not stop.is_set():
            wedged = [connection for connection in wedged if connection.thread.is_alive()]
            if len(wedged) < MOST_WEDGED:
                connection = _Attempt(connect, clock)
                wedged.append(connection)
                reason = yield from _follow(connection, stop, story, rate=rate, patience=patience, clock=clock)
                story.number += connection.count
                failures = 0 if connection.count else failures
                if must_open and story.began is None and isinstance(connection.failure, VidiError):
                    raise connection.failure
                if story.is_online and not stop.is_set():
                    story.is_online = False
                    yield SourceChange(kind="offline", seconds=story.seconds(clock()), reason=reason)
            stop.wait(min(patience.most_retry_seconds, patience.retry_seconds * 2.0 ** min(failures, 30)))
            failures += 1
    finally:
        _join(wedged)


def _join(attempts: Sequence[_Attempt]) -> None:
    """Wait a moment until the threads have left FFmpeg, and have the interpreter's end wait longer for the others."""
    deadline = time.monotonic() + JOIN_SECONDS
    for attempt in attempts:
        attempt.thread.join(max(0.0, deadline - time.monotonic()))
        if attempt.thread.is_alive():
            atexit.register(attempt.thread.join, EXIT_SECONDS)


def _follow(
    connection: _Attempt,
    stop: threading.Event,
    story: _Story,
    *,
    rate: float | None,
    patience: Patience,
    clock: Callable[[], float],
) -> Generator[Frame | SourceChange, None, str]:
    """The frames of one connection until it ends; returns why it did."""
    connection.thread.start()
    try:
        while not stop.is_set():
            arrived = connection.take(LOOK_SECONDS)
            if arrived is not None:
                taken = clock()
                frame = story.frame(arrived)
                if not story.is_online:
                    story.is_online = True
                    yield SourceChange(kind="online", seconds=frame.seconds, reason="images come again")
                yield frame
                if rate is not None:
                    stop.wait(max(0.0, taken + 1 / rate - clock()))
                continue
            if connection.is_over:
                failure = connection.failure
                return failure.cause if isinstance(failure, VidiError) else failure
            allowed = patience.read_seconds if connection.count else patience.open_seconds
            if clock() - connection.last_sign > allowed:
                return f"no image came for {allowed:g} s"
        return "stopped"
    finally:
        connection.give_up()


class DecodingPace:
    """Compares when pictures are decoded with when they were taken."""

    def __init__(self) -> None:
        self._offsets: deque[tuple[float, float]] = deque()  # increasing: when, and how much later than taken
        self.skip: Skip = "DEFAULT"

    def note(self, arrived: float, taken: float) -> Skip:
        """What to leave out from now on.

        Args:
            arrived: when a picture was decoded, by a steady clock, seconds.
            taken: by the sender's clock.

        >>> pace = DecodingPace()
        >>> [pace.note(10.0 + number, 0.04 * number) for number in range(4)]
        ['DEFAULT', 'NONREF', 'NONREF', 'NONKEY']
        >>> pace.note(13.0, 2.95)
        'DEFAULT'
        """
        offset = arrived - taken
        while self._offsets and self._offsets[-1][1] >= offset:
            self._offsets.pop()
        self._offsets.append((arrived, offset))
        while self._offsets[0][0] < arrived - MEMORY_SECONDS:
            self._offsets.popleft()
        lag = offset - self._offsets[0][1]
        if lag > VERY_LATE:
            self.skip = "NONKEY"
        elif lag > LATE and self.skip == "DEFAULT":
            self.skip = "NONREF"
        elif lag < IN_TIME:
            self.skip = "DEFAULT"
        return self.skip


def is_timed(opened: "Opened") -> bool:
    """Whether the pictures of a source carry the sender's times."""
    name = getattr(getattr(opened.container, "format", None), "name", "")
    return bool(TIMED & set(name.split(",")))
