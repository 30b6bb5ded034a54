"""A Chromium without a window opens an exported page on the loopback address, and sends what the page answers."""

import base64
import functools
import http.server
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from vidi.export.page_files import MEDIA_TYPES

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
TRIAL: Final = "/vidi-trial.html"  # besides the page's own files, for this trial alone
RESULT: Final = "/vidi-trial"
IMAGES: Final = "/vidi-trial-images.json"
MOST_BYTES: Final = 100_000_000  # of a result: every class of every image
START_SECONDS: Final = 60.0  # until the browser asks for the trial's page
_STEP: Final = 0.2  # seconds between two looks whether the browser still runs
PAGE: Final = """<!doctype html><meta charset="utf-8"><script>
const give = (result) => fetch("vidi-trial", { method: "POST", body: JSON.stringify(result) });
addEventListener("error", ({ message }) => give({ failure: message || "a file of the page does not load" }), true);
</script><script type="module">
import { openModel } from "./engine.js";
const place = decodeURIComponent(location.hash.slice(1));
const kept = ({ label, verdict, candidates, probabilities, novelty }) => (
  { label, verdict, candidates, probabilities, novelty });
const test = async () => {
  const files = await (await fetch("vidi-trial-images.json")).json();
  const model = await openModel(place, { threads: 1 });
  const golden = await model.selfTest(), answers = [];
  for (const text of files) {
    const file = new Blob([Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))]);
    answers.push(await model.classify(file).then(kept, ({ code }) => ({ code })));
  }
  return { golden, answers };
};
await give(await test().catch((error) => ({ failure: error.message })));
</script>
"""


class Meeting:
    """What a browser and this process have for each other."""

    def __init__(self, images: Sequence[bytes]) -> None:
        self.images = json.dumps([base64.b64encode(data).decode("ascii") for data in images]).encode()
        self.opened = threading.Event()  # the browser has asked for the trial's page
        self.results: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()


def ask_browser(
    browser: str, folder: Path, name: str, images: Sequence[bytes], *, seconds: float
) -> dict[str, Any] | None:
    """What a page answers in a browser: `golden`, `answers`, or `failure`, which tells why there are none.

    Args:
        browser: path of a Chromium.
        folder: of the page.
        name: of the model in it.
        images: files that it is asked about.
        seconds: after which the browser is ended.

    Returns:
        None where the browser does not start.
    """
    meeting = Meeting(images)
    handler = functools.partial(_Host, meeting, directory=str(folder.resolve()))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}{TRIAL}#models/{name}/"
        try:
            with subprocess.Popen(
                [browser, *_flags(profile), url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                try:
                    return _result(process, meeting, seconds)
                finally:
                    _end(process)
        except OSError:
            return None
        finally:
            server.shutdown()
            thread.join()


def _result(process: "subprocess.Popen[bytes]", meeting: Meeting, seconds: float) -> dict[str, Any] | None:
    """What the browser sends; None where it ends, or does nothing, before it asks for the page."""
    for _ in range(round(START_SECONDS / _STEP)):
        if meeting.opened.wait(_STEP) or process.poll() is not None:
            break
    if not meeting.opened.is_set():
        return None
    try:
        return meeting.results.get(timeout=seconds)
    except queue.Empty:
        return {"failure": f"the browser gives no answer within {seconds:g} s"}


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def _flags(profile: str) -> list[str]:
    """The browser's options; for the superuser it has no sandbox to run in."""
    is_superuser = hasattr(os, "geteuid") and os.geteuid() == 0
    return [
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        f"--user-data-dir={profile}",
        *(["--no-sandbox"] if is_superuser else []),
    ]


class _Host(http.server.SimpleHTTPRequestHandler):
    """The page's files, the trial's own page, and an ear for its result."""

    def __init__(self, meeting: Meeting, *request: Any, directory: str) -> None:
        self.meeting = meeting
        super().__init__(*request, directory=directory)

    def do_GET(self) -> None:
        """The trial's page, its images, else a file."""
        if self.path == TRIAL:
            self.meeting.opened.set()
            self._reply(PAGE.encode(), MEDIA_TYPES[".html"])
        elif self.path == IMAGES:
            self._reply(self.meeting.images, MEDIA_TYPES[".json"])
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """The result."""
        length = int(self.headers.get("content-length", "0"))
        if self.path == RESULT and length <= MOST_BYTES:
            self.meeting.results.put(json.loads(self.rfile.read(length)))
        self._reply(b"", MEDIA_TYPES[".txt"])

    def guess_type(self, path: Any) -> str:
        """The type that the page is served with anywhere."""
        return MEDIA_TYPES.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, format: str, *_: object) -> None:
        """Nothing is written."""

    def _reply(self, data: bytes, media_type: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
