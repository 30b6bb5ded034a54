"""Model files that were replaced on disk are opened, tried and swapped in; a bad one leaves the old one serving."""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from vidi.errors import ModelError, VidiError
from vidi.model_file.read import find_model
from vidi.serving.models.served import ServedModel, open_served
from vidi.serving.models.table import ModelTable
from vidi.serving.models.trial import try_model

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
