"""Take the pictures of docs/how-to/app.md: a project of the 200 example photographs, trained, in a browser.

Usage: python tools/picture_app.py     (needs Chromium; two minutes)
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

PICTURES: Final = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE: Final = {"width": 1100, "height": 720}
COLOURS: Final = 128  # of a picture


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as folder, app(Path(folder)) as address, sync_playwright() as play:
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        page.set_default_timeout(300_000)
        page.goto(address)
        page.wait_for_selector("body[data-view='start']")
        keep(page, "start")
        page.click("text='200 example photographs'")
        page.wait_for_selector("#view button:has-text('odd')")
        keep(page, "images")
        page.click("#views >> text='Train'")
        page.wait_for_selector("#view form")
        keep(page, "train")
        page.click("#view button.main")
        page.wait_for_selector("body[data-view='report'] iframe")
        keep(page, "report")
        browser.close()


@contextmanager
def app(folder: Path) -> Iterator[str]:
    """The address of a running app with no project."""
    words = [sys.executable, "-m", "vidi", "app", "--no-browser", "--port", "0"]
    environment = {**os.environ, "VIDI_PROJECTS": str(folder)}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as server:
        try:
            lines = server.stdout or ()
            yield next(found[1] for line in lines if (found := re.match("open (.*)", line)))
        finally:
            server.terminate()


def keep(page: Page, name: str) -> None:
    """Write what the browser shows, in few colours."""
    page.wait_for_timeout(500)  # images that are still on their way
    with Image.open(BytesIO(page.screenshot())) as shown:
        shown.convert("RGB").quantize(COLOURS).save(PICTURES / f"app-{name}.png", optimize=True)
    print(f"docs/images/app-{name}.png")


if __name__ == "__main__":
    main()
