"""A `vidi serve` of one's own, as a process on this computer: started, asked, and stopped."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from vidi.errors import ResourceError
from vidi.log.store import PredictionLog
from vidi.model_file.registered import MODELS_VARIABLE
from vidi.workflows.demonstrating.month import MonthImage

LISTENING: Final = "listening on "
START_SECONDS: Final = 60.0
TAKEN_SECONDS: Final = 60.0  # until a server has taken another model, at most
_LOOK_SECONDS: Final = 0.2


class DemoServer:
    """Answers over HTTP on this computer."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, images: Iterable[MonthImage]) -> float:
        """Send images, one after the other; the share of right answers."""
        right = [self._label(one.data) == one.digit for one in images]
        return sum(right) / max(1, len(right))

    def model_id(self) -> str:
        """Which model answers now."""
        with urllib.request.urlopen(f"{self.url}/v1/models", timeout=START_SECONDS) as reply:  # noqa: S310  # loopback
            return str(json.load(reply)["models"][0]["id"])

    def wait_for(self, model_id: str) -> bool:
        """Wait until this model answers; whether it does."""
        until = time.monotonic() + TAKEN_SECONDS
        while self.model_id() != model_id:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _label(self, data: bytes) -> str:
        asked = urllib.request.Request(  # noqa: S310  # loopback
            f"{self.url}/v1/predict?top=1", data=data, headers={"Content-Type": "image/png"}
        )
        with urllib.request.urlopen(asked, timeout=START_SECONDS) as reply:  # noqa: S310
            return str(json.load(reply)["predictions"][0]["label"])


def wait_for_rows(log: Path, count: int) -> bool:
    """Wait until a log holds this number of predictions, which come a moment after the answers; whether it does."""
    until = time.monotonic() + TAKEN_SECONDS
    with PredictionLog.open(str(log), create=False) as opened:
        while opened.contents().predictions < count:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_SECONDS)
    return True


@contextlib.contextmanager
def serve(name: str, *, models: Path, log: Path) -> Iterator[DemoServer]:
    """A server of a registered model, which writes a log and keeps images; stopped at the end.

    Args:
        name: registered.
        models: the registry's folder.
        log: path of the prediction log.

    Raises:
        ResourceError: it does not start; says what it said.
    """
    options = ["--port", "0", "--log", str(log), "--keep-images"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vidi", "serve", name, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, MODELS_VARIABLE: str(models), "NO_COLOR": "1"},
    )
    assert process.stderr is not None  # noqa: S101  # it is a pipe
    reader = threading.Thread(target=_read_on, args=(process.stderr,), daemon=True)
    try:
        address = _address(process.stderr)
        reader.start()
        yield DemoServer(address)
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if reader.is_alive():
            reader.join()
        process.stderr.close()


def _address(lines: Iterable[str]) -> str:
    """The server's address, as it says it."""
    said: list[str] = []
    for line in lines:
        said.append(line)
        if line.startswith(LISTENING):
            return line.removeprefix(LISTENING).strip()
    raise ResourceError(f"the demo's server did not start: {''.join(said)[-500:].strip()}", "Run `vidi doctor`.")


def _read_on(lines: Iterable[str]) -> None:
    """Take what else the server says, so that it never waits for a reader."""
    for _ in lines:
        pass
