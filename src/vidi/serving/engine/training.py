"""A training that the page starts on the server's own computer: `vidi train` in a process of its own."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from vidi.files import escape_path
from vidi.model_file.values import Json
from vidi.serving.problems import Problem

MINUTES: Final = 2.0
LINES_KEPT: Final = 200
STOP_SECONDS: Final = 15.0  # for the training to write down what it has
NEEDED: Final = ("torch", "safetensors", "sklearn")  # what `vidi[train]` brings

State = Literal["none", "running", "done", "failed"]


def can_train() -> bool:
    """Whether what training needs is installed; nothing of it is loaded here.

    >>> isinstance(can_train(), bool)
    True
    """
    return all(find_spec(name) is not None for name in NEEDED)


def train_command(images: Path, run: Path) -> list[str]:
    """The command that trains on a zip file of class folders."""
    return [sys.executable, "-m", "vidi", "train", str(images), "--minutes", f"{MINUTES:g}", "--output", str(run)]


class Trainer:
    """At most one training at a time. Safe to use from any thread."""

    def __init__(
        self,
        folder: Path,
        *,
        command: Callable[[Path, Path], Sequence[str]] = train_command,
        now: Callable[[], datetime] = datetime.now,
        finished: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """
        Args:
            folder: where runs, and the images that they were trained on, are kept; images that are refused are not.
            command: makes the command of a zip file and the run's folder.
        """
        self._folder, self._command, self._now, self._finished = folder, command, now, finished
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._state: State = "none"
        self.run: Path | None = None
        self._reader: threading.Thread | None = None

    def start(self, images: bytes) -> None:
        """Begin a training on the bytes of a zip file.

        Raises:
            Problem: one is running.
        """
        with self._lock:
            if self._state == "running":
                raise Problem("busy", "A training is running.", "Wait for its end.", headers={"Retry-After": "30"})
            name = f"page-{self._now():%Y%m%d-%H%M%S}"
            self._folder.mkdir(parents=True, exist_ok=True)
            data, self.run = self._folder / f"{name}.zip", self._folder / name
            self._lines.clear()
            try:
                data.write_bytes(images)
                self._process = subprocess.Popen(
                    self._command(data, self.run),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                )
            except OSError:
                data.unlink(missing_ok=True)
                raise
            self._state = "running"
            self._reader = threading.Thread(target=self._follow, args=(self._process, data, self.run), daemon=True)
            self._reader.start()

    def _follow(self, process: subprocess.Popen[str], data: Path, run: Path) -> None:
        """Keep what the training says until it ends, and the images only where it has begun a run."""
        if process.stderr is not None:
            with process.stderr as said:
                self._lines.extend(line.rstrip("\n") for line in said)
        code = process.wait()
        if not run.exists():
            data.unlink(missing_ok=True)
        if code == 0:
            self._finished(run)
        with self._lock:
            self._state = "done" if code == 0 else "failed"

    def as_json(self) -> dict[str, Json]:
        """How the training stands: state, its lines so far, and the run's folder."""
        with self._lock:
            lines = list(self._lines)
            return {
                "state": self._state,
                "minutes": MINUTES,
                "lines": [*lines],
                "name": None if self.run is None else self.run.name,
                "folder": None if self.run is None else escape_path(self.run),
            }

    def report(self) -> bytes:
        """The report of the last training.

        Raises:
            Problem: there is none.
        """
        with self._lock:
            path = None if self.run is None or self._state != "done" else self.run / "report.html"
        if path is None or not path.is_file():
            raise Problem("not-found", "No training has written a report.")
        return path.read_bytes()

    def wait(self) -> None:
        """Until the training under way has ended."""
        if self._reader is not None:
            self._reader.join()

    def stop(self) -> None:
        """End a training as Ctrl-C does: it writes down what it has."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
