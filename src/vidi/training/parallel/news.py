"""What a training has to tell, kept for another thread that asks now and then."""

import threading

from vidi.training.loop.keeper import Told
from vidi.training.loop.progress import EpochRow, Progress


class News:
    """The newest progress, epochs and checkpoint since they were taken last; holds a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._step = 0
        self._progress: Progress | None = None
        self._history: tuple[EpochRow, ...] | None = None
        self._checkpoint: bytes | None = None
        self.stop_is_wanted = False

    def step_done(self, progress: Progress) -> None:
        """A step has ended."""
        with self._lock:
            self._step, self._progress = progress.step, progress

    def epoch_done(self, history: tuple[EpochRow, ...]) -> None:
        """An epoch has ended, or the training went back to an earlier one."""
        with self._lock:
            self._history = history

    def checkpoint_made(self, data: bytes) -> None:
        """A checkpoint is due to be kept."""
        with self._lock:
            self._checkpoint = data

    def take(self) -> Told:
        """All that is new."""
        with self._lock:
            told = Told(step=self._step, progress=self._progress, history=self._history, checkpoint=self._checkpoint)
            self._progress = self._history = self._checkpoint = None
        return told
