"""A video file, by its own timestamps."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.limits import Limits
from vidi.video.decoding import Damage, pixels_of, read_pictures
from vidi.video.frames import Frame, SourceChange
from vidi.video.opening import open_file

if TYPE_CHECKING:
    from av import VideoFrame

USUAL_STEP: Final = 1 / 25  # seconds to a picture without a time of its own, in a file that states no rate
EARLY: Final = 1e-3  # seconds by which a frame may come before it is due: timestamps are rounded


def watch_file(
    path: Path, stop: threading.Event, *, rate: float | None, limits: Limits
) -> Iterator[Frame | SourceChange]:
    """The frames of a video file, as fast as they are taken.

    Args:
        path: of a regular file.
        stop: ends it.
        rate: at most so many frames in a second of the file's time; None: all.
        limits: of its images.

    Raises:
        DataError: it is no video file, asks for too much, or none of its images can be decoded.
    """
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
