"""Where video come from: a camera's number, a video file, or the address of a stream."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from vidi.errors import DataError, UsageError
from vidi.files import escape_path
from vidi.images.limits import Limits
from vidi.video.decoding import Damage, pixels_of, read_pictures
from vidi.video.http import HttpStream
from vidi.video.live import Frame, Patience, SourceChange, watch_live
from vidi.video.opening import STREAMS, Opened, check_video_package, open_camera, open_file, open_stream

if TYPE_CHECKING:
    from av import VideoFrame

MOST_CAMERAS: Final = 100
REMEDY: Final = (
    "Give a camera's number (0), a video file, or an address that begins with rtsp://, rtsps://, http:// or https://."
)
USUAL_STEP: Final = 1 / 25  # seconds to a picture without a time of its own, in a file that states no rate
EARLY: Final = 1e-3  # seconds by which a frame may come before it is due: timestamps are rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSource:
    """Where video come from."""

    kind: Literal["camera", "file", "stream"]
    address: str = field(repr=False)  # what is opened; a stream's may hold user and password
    name: str  # for people; holds neither user, password nor what follows `?`

    @property
    def is_live(self) -> bool:
        """Whether it goes on by itself, however fast it is read."""
        return self.kind != "file"


def parse_source(text: str) -> VideoSource:
    """What a user named as source.

    Raises:
        UsageError: it is none, or the file is not there.

    >>> parse_source("rtsp://user:secret@camera.example/door?key=secret").name
    'rtsp://camera.example/door'
    """
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        if int(text) >= MOST_CAMERAS:
            raise UsageError(f"there is no camera {text}", "Cameras are numbered from 0.")
        return VideoSource(kind="camera", address=str(int(text)), name=f"camera {int(text)}")
    if "://" in text:
        return _stream(text)
    path = Path(text)
    if not text or not path.exists():
        raise UsageError(
            f"there is no file {escape_path(text) or 'with an empty name'}, and it is not an address", REMEDY
        )
    if not path.is_file():
        raise UsageError(f"{escape_path(text)} is no regular file", REMEDY)
    return VideoSource(kind="file", address=text, name=escape_path(text))


def _stream(text: str) -> VideoSource:
    scheme = text.partition("://")[0].lower()
    if scheme not in STREAMS:
        raise UsageError(f"{escape_path(scheme)}:// is no kind of address that is read", REMEDY)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or any(sign.isspace() or not sign.isprintable() for sign in text):
        raise UsageError(f"an address that begins with {scheme}:// names no host that can be read", REMEDY)
    shown = f"[{host}]" if ":" in host else host
    name = f"{scheme}://{shown}{'' if port is None else f':{port}'}{parts.path}"
    return VideoSource(kind="stream", address=text, name=escape_path(name))


def watch_source(
    source: VideoSource,
    stop: threading.Event,
    *,
    rate: float | None = None,
    limits: Limits | None = None,
    patience: Patience | None = None,
) -> Iterator[Frame | SourceChange]:
    """The frames of a source, and what happens to it.

    A file gives its frames as fast as they are taken, by its own timestamps, and ends. Cameras and streams give the
    newest frame: one that is not taken before the next comes is left out. They end with `stop` alone.

    Args:
        stop: ends it, within about a second even while a stream connects or hangs.
        rate: at most so many frames a second; None: as many as there are.
        limits: of the images; those of single images by default.
        patience: how long a stream may take to open and to read.

    Raises:
        MissingPackageError: the extra `video` is not installed.
        UsageError: the rate is not above 0.
        DataError: a file cannot be read as video, or a camera is not there when it is opened first.
    """
    if rate is not None and not rate > 0:
        raise UsageError(f"the rate is {rate:g} frames a second", "Give a number above 0.")
    check_video_package()
    limits, patience = limits or Limits(), patience or Patience()
    if source.kind == "file":
        return _watch_file(Path(source.address), stop, rate=rate, limits=limits)

    def connect(connected: Callable[[HttpStream], None]) -> Opened:
        seconds = {"open_seconds": patience.open_seconds, "read_seconds": patience.read_seconds}
        if source.kind == "camera":
            return open_camera(int(source.address), limits, **seconds)
        return open_stream(source.address, source.name, limits, **seconds, connected=connected)

    return watch_live(connect, stop, rate=rate, patience=patience, must_open=source.kind == "camera")


def _watch_file(
    path: Path, stop: threading.Event, *, rate: float | None, limits: Limits
) -> Iterator[Frame | SourceChange]:
    """The frames of a video file, as fast as they are taken, at most `rate` in a second of its own time."""
    opened = open_file(path, limits)
    step = 1 / float(opened.stream.average_rate) if opened.stream.average_rate else USUAL_STEP
    number, first, seconds, due, is_damaged = -1, None, 0.0, 0.0, False
    try:
        for picture in read_pictures(opened):
            if stop.is_set():
                return
            if isinstance(picture, Damage):
                if not is_damaged:
                    yield SourceChange(kind="damaged", seconds=seconds, reason=picture.reason)
                is_damaged = True
                continue
            number += 1
            stamp = _stamp(picture)
            if first is None:
                first = stamp or 0.0
            # Time never runs backwards, whatever a damaged file says.
            seconds = max(seconds, seconds + step * (number > 0) if stamp is None else stamp - first)
            if seconds < due - EARLY:
                continue
            due = seconds if rate is None else max(due, seconds - 1 / rate) + 1 / rate
            yield Frame(image=pixels_of(picture), seconds=seconds, number=number)
    finally:
        opened.close()
    if number < 0 and not stop.is_set():
        raise DataError(
            f"{escape_path(path)}: none of its images can be decoded", "The file is damaged: copy or record it again."
        )


def _stamp(picture: "VideoFrame") -> float | None:
    if picture.pts is None or not picture.time_base:
        return None
    return float(picture.pts * picture.time_base)
