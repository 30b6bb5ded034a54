"""The page in Chromium: from a server of vidi, or from one that knows nothing but files."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.report.screens import BROWSER
from vidi.export.page_files import has_runtime

if TYPE_CHECKING:
    from playwright.sync_api import Page


@contextmanager
def chromium(*flags: str) -> Iterator["Page"]:
    """A page of a browser that begins with nothing; what goes wrong on the page is raised at the end."""
    if BROWSER is None:
        pytest.skip("needs:chromium")
    if not has_runtime():
        pytest.skip("needs:onnxruntime-web")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs:playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", *flags])
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page
        finally:
            browser.close()
        assert errors == []


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files with the types that every static host knows; no line for each request."""

    extensions_map = {  # noqa: RUF012  # as the class above has it
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *_: object) -> None:
        """Nothing is written."""


@contextmanager
def static_host(folder: Path) -> Iterator[str]:
    """The address of a host of files, without headers of its own."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
