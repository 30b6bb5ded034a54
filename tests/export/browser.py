"""The page in Chromium: from a server of vidi, or from one that knows nothing but files."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.report.screens import BROWSER
from vidi.export.page_files import has_runtime

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright


@contextmanager
def chromium(*flags: str) -> Iterator["Page"]:
    """As `bare_chromium`, for pages on which models run."""
    if not has_runtime():
        pytest.skip("needs:onnxruntime-web")
    with bare_chromium(*flags) as page:
        yield page


@contextmanager
def bare_chromium(*flags: str) -> Iterator["Page"]:
    """A page that begins with nothing; what goes wrong on it is raised at the end."""
    if BROWSER is None:
        pytest.skip("needs:chromium")
    page = _browser(*flags).new_page()  # in a context of its own
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        page.context.close()
    assert errors == []


@functools.cache
def _driver() -> "Playwright":
    started: Playwright = (
        pytest.importorskip("playwright.sync_api", reason="needs:playwright").sync_playwright().start()
    )
    return started


@functools.cache
def _browser(*flags: str) -> "Browser":
    """One for all pages of a file of tests: to start it takes longer than most of them."""
    return _driver().chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", *flags])


def close_browsers() -> None:
    """End all of them; a further page gets a new one."""
    if _driver.cache_info().currsize:
        _driver().stop()
    _driver.cache_clear()
    _browser.cache_clear()
