"""Model files that were replaced on disk are tried, opened and swapped in; a bad one leaves the old one serving."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vidi.errors import ModelError, VidiError
from vidi.machine import limit_memory
from vidi.model_file.read import find_model
from vidi.prediction.engines.registry import USUAL
from vidi.serving.engine.models import ModelTable, ServedModel, open_served

_COMMAND = "from vidi.serving.engine.reload import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLimits:
    """What a model file may cost when it is tried."""

    seconds: int = 10  # of processor time
    wall_seconds: float = 30.0
    memory_bytes: int = 1 << 30  # beyond what the interpreter has taken when it begins


def try_model(path: Path, limits: TrialLimits = TrialLimits(), *, engine: str = USUAL) -> None:
    """Open a model file and replay its golden vectors in another process.

    Args:
        path: the model file.
        limits: of that process.
        engine: executes the graph.

    Raises:
        ModelError: it is refused, or costs too much time or memory.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _COMMAND, str(path), str(limits.seconds), str(limits.memory_bytes), engine],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limits.wall_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        cause = f"{path}: its first answers took over {limits.wall_seconds:g} s"
        raise ModelError(cause, "Use a smaller model.") from error
    if done.returncode == 0:
        return
    try:
        said = json.loads(done.stdout)
    except ValueError as error:
        raise ModelError(
            f"{path}: its first answers ended with code {done.returncode}: too much time or memory, or a crash",
            "Check it with `vidi inspect MODEL --self-test`.",
        ) from error
    raise ModelError(said["cause"], said["remedy"])


def main() -> None:
    """The inside of the trial's process: `sys.argv` holds model file, processor seconds, bytes of memory, engine."""
    _limit(seconds=int(sys.argv[2]), memory_bytes=int(sys.argv[3]))
    try:
        open_served("model", Path(sys.argv[1]), engine=sys.argv[4])
    except VidiError as error:
        sys.stdout.write(json.dumps({"cause": error.cause, "remedy": error.remedy}))
        sys.exit(error.exit_code)


def _limit(*, seconds: int, memory_bytes: int) -> None:
    """Bound time and memory, where the system can."""
    limit_memory(memory_bytes)
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


Stamp = tuple[int, int, int] | None  # inode, bytes, nanoseconds; None where there is no file
Report = Callable[[str, ServedModel | None, str], None]  # name, the new model or None, why it was refused

WATCH_SECONDS = 1.0  # between two looks at the files


class Reloader:
    """Keeps a table as new as its files. Safe to call from any thread; one file is tried at a time."""

    def __init__(
        self,
        table: ModelTable,
        report: Report,
        *,
        tried: Callable[[Path], None] = try_model,
        opened: Callable[[str, Path], ServedModel] = open_served,
    ) -> None:
        """
        Args:
            table: is changed.
            report: receives what became of each file.
            tried: opens a file where it can do no harm, and raises a ModelError where it does not pass.
            opened: opens a file that has passed, under its name.
        """
        self.table, self._report = table, report
        self._try, self._open = tried, opened
        # Of the file that was opened: what was promoted since then is another.
        self._seen = {model.name: stamp_of(model.model.path) for model in table}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def look(self, names: frozenset[str] | None = None) -> None:
        """Take every file that has changed since it was last looked at, and is whole.

        Args:
            names: of the models to look at; all by default.
        """
        with self._lock:
            for model in [one for one in self.table if names is None or one.name in names]:
                stamp = stamp_of(model.path)
                if stamp is not None and stamp != self._seen[model.name]:
                    self._seen[model.name] = stamp
                    self._take(model)

    def read_anew(self) -> None:
        """Take every file that is another than the model in use, whatever its date."""
        with self._lock:
            for model in list(self.table):
                self._seen[model.name] = stamp_of(model.path)
                self._take(model)

    def read_anew_soon(self) -> None:
        """As `read_anew`, in a thread of its own: what a signal may call."""
        threading.Thread(target=self.read_anew, name="vidi-reload", daemon=True).start()

    def _take(self, model: ServedModel) -> None:
        try:
            self._try(model.path)
            new = self._open(model.name, model.path)
        except VidiError as error:
            self.table.refusals[model.name] = error.cause
            self._report(model.name, None, error.cause)
            return
        if new.model.digest != model.model.digest:
            self.table.replace(new)
            self._report(model.name, new, "")
        else:
            self.table.refusals.pop(model.name, None)

    def watch(self, names: Iterable[str] | None = None) -> None:
        """Look at the files about once a second, until `stop`.

        Args:
            names: of the models to look at; all by default.
        """
        chosen = None if names is None else frozenset(names)
        self._watcher = threading.Thread(target=self._watch, args=(chosen,), name="vidi-watch", daemon=True)
        self._watcher.start()

    def _watch(self, names: frozenset[str] | None) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            self.look(names)

    def stop(self) -> None:
        """End the watching."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()


def stamp_of(path: Path) -> Stamp:
    """What changes when a file is replaced."""
    try:
        status = os.stat(find_model(path))
    except (OSError, ModelError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
