"""The page in Chromium: from a server of vidi, or from one that knows nothing but files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.report.screens import BROWSER
from vidi.export.page_files import has_runtime

if TYPE_CHECKING:
    from playwright.sync_api import Page


@contextmanager
def chromium(*flags: str) -> Iterator["Page"]:
    """As `bare_chromium`, for pages on which models run."""
    if not has_runtime():
        pytest.skip("needs:onnxruntime-web")
    with bare_chromium(*flags) as page:
        yield page


@contextmanager
def bare_chromium(*flags: str) -> Iterator["Page"]:
    """A page of a browser that begins with nothing; what goes wrong on the page is raised at the end."""
    if BROWSER is None:
        pytest.skip("needs:chromium")
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
