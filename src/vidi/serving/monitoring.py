"""Runs `vidi monitor` beside a server now and then, in a process of its own that takes no time from the answers."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from vidi.serving.models.served import ServedModel
from vidi.workflows.monitoring.gauges import MonitorGauges

Command = Callable[[Path], Sequence[str]]  # model file → words of the command
DONE = (0, 7)  # no alarm, alarm
MOST_SECONDS = 3_600.0  # for one model


def monitor_command(log: str, password_file: Path | None) -> Command:
    """Return what makes the command for a model file: `vidi monitor … --json`, behind all other work.

    Args:
        log: the log's address, without a password.
        password_file: of the log; a password in the environment is inherited.
    """
    gently = ("nice", "-n", "10") if shutil.which("nice") else ()
    given = () if password_file is None else ("--log-password-file", str(password_file))

    def command(model: Path) -> Sequence[str]:
        return (*gently, sys.executable, "-P", "-m", "vidi", "monitor", str(model), "--log", log, "--json", *given)

    return command


class LogMonitor:
    """A thread that monitors every served model from time to time, and holds what was found as gauges."""

    def __init__(
        self,
        models: Callable[[], Iterable[ServedModel]],
        command: Command,
        report: Callable[[str, str, str], None],
        *,
        seconds: float,
    ) -> None:
        """
        Args:
            models: that are served now.
            command: makes the command for a model file.
            report: takes the model's name, `quiet`, `alarm`, `too few` or `failed`, and why.
            seconds: between two rounds.
        """
        self.gauges = MonitorGauges()
        self._models, self._command, self._report, self._seconds = models, command, report, seconds
        self._ends = threading.Event()
        self._running: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._watch, name="vidi-monitor", daemon=True)

    def start(self) -> None:
        """Begin; the first round comes after the first wait."""
        self._thread.start()

    def stop(self) -> None:
        """End, and the process under way with it."""
        self._ends.set()
        if (running := self._running) is not None:
            running.kill()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Monitor every model that has a reference, one after the other."""
        found = []
        for model in self._models():
            if model.metadata.drift_reference is not None and not self._ends.is_set():
                document = self._monitor(model)
                if document is not None:
                    found.append(document)
        self.gauges.documents = found

    def _watch(self) -> None:
        while not self._ends.wait(self._seconds):
            self.look()

    def _monitor(self, model: ServedModel) -> dict[str, Any] | None:
        """What was found; None where the command failed."""
        words = [*self._command(model.model.path)]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        ) as one:
            self._running = one
            if self._ends.is_set():  # `stop` came before it could see this process
                one.kill()
            try:
                written, errors = one.communicate(timeout=MOST_SECONDS)
            except subprocess.TimeoutExpired:
                one.kill()
                written, errors = "", f"it took over {MOST_SECONDS:,.0f} s"
            finally:
                self._running = None
        if one.returncode not in DONE:
            if not self._ends.is_set():
                self._report(model.name, "failed", errors.strip()[:500])
            return None
        document: dict[str, Any] = json.loads(written)
        self._report(model.name, str(document["drift"]["state"]), "")
        return document
