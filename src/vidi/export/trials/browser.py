"""A Chromium without a window opens an exported page on the loopback address, and sends what its self-test finds."""

import functools
import http.server
import json
import os
import queue
import subprocess
import tempfile
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from vidi.export.page_files import MEDIA_TYPES

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
TRIAL: Final = "/vidi-trial.html"  # besides the page's own files, for this trial alone
RESULT: Final = "/vidi-trial"
MOST_BYTES: Final = 1_000_000  # of a result
PAGE: Final = """<!doctype html><meta charset="utf-8"><script type="module">
import { openModel } from "./engine.js";
const place = decodeURIComponent(location.hash.slice(1));
const test = async () => {
  const model = await openModel(place, { threads: 1 });
  return model.selfTest();
};
const result = await test().catch((error) => ({ failure: error.message }));
await fetch("vidi-trial", { method: "POST", body: JSON.stringify(result) });
</script>
"""


def ask_browser(browser: str, folder: Path, name: str, *, seconds: float) -> dict[str, Any]:
    """What the self-test of a page finds in a browser; `failure` tells why there is none.

    Args:
        browser: path of a Chromium.
        folder: of the page.
        name: of the model in it.
        seconds: after which the browser is ended.
    """
    results: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    handler = functools.partial(_Host, results, directory=str(folder.resolve()))
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
                    return results.get(timeout=seconds)
                except queue.Empty:
                    return {"failure": f"the browser gives no answer within {seconds:g} s"}
                finally:
                    _end(process)
        except OSError as error:
            return {"failure": f"the browser does not start: {error.strerror}"}
        finally:
            server.shutdown()
            thread.join()


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

    def __init__(self, results: "queue.SimpleQueue[dict[str, Any]]", *request: Any, directory: str) -> None:
        self.results = results
        super().__init__(*request, directory=directory)

    def do_GET(self) -> None:
        """The trial's page, else a file."""
        if self.path != TRIAL:
            super().do_GET()
            return
        self._reply(PAGE.encode(), MEDIA_TYPES[".html"])

    def do_POST(self) -> None:
        """The result."""
        length = int(self.headers.get("content-length", "0"))
        if self.path == RESULT and length <= MOST_BYTES:
            self.results.put(json.loads(self.rfile.read(length)))
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
