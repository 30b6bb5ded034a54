"""A short video of each event: some seconds before, the event, some seconds after."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import VidiError
from vidi.files import TEMPORARY_PREFIX
from vidi.images.framing import Size, fitted_size
from vidi.images.pixels.resize import resize
from vidi.video.clips import ClipFile
from vidi.workflows.watching.folder import CLIPS
from vidi.workflows.watching.notices import EventNotice, Notice
from vidi.workflows.watching.session import AnsweredFrame

BEFORE_SECONDS: Final = 3.0  # that a clip shows before its event, and after it
HELD_SECONDS: Final = 8.0  # an event is reported some time after its beginning
LONGEST_SECONDS: Final = 120.0  # of a clip; the rest of a longer event is left out
LONGER_SIDE: Final = 640  # pixels
ENDING: Final = ".webm"

Say = Callable[[str], None]


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
