"""What a browser clips of some pages, on screens of several widths."""

import html
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (320, 390, 1280)  # pixels: a small phone, a usual one, a notebook
# Each page stands in a frame of its own, which this page may look into. Something is clipped where it is wider than
# what shows of it, unless a shadow at the edge (`scroll` in style.css) or a title says that there is more.
SCRIPT = """
window.onload = () => {
  const told = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, name = frame.name;
    for (const details of page.querySelectorAll("details")) details.open = true;
    const view = page.documentElement;
    if (view.scrollWidth > view.clientWidth) told.push(`${name}: the page is ${view.scrollWidth} wide`);
    for (const one of page.body.querySelectorAll("*:not(.hidden):not(.skip)")) {
      if (one.closest("svg, .hidden") || one.clientWidth <= 1 || one.scrollWidth <= one.clientWidth + 1) continue;
      const style = frame.contentWindow.getComputedStyle(one);
      if (style.overflowX === "visible") continue;  // then one of those around it is wider, or the page
      const says = /local/.test(style.backgroundAttachment) || one.title || one.querySelector(":scope > [title]");
      if (!says) told.push(`${name}: ${one.tagName} .${one.className} ${one.scrollWidth} > ${one.clientWidth}`);
    }
    for (const one of page.querySelectorAll("td, th, dd, figcaption, .says p")) {
      if (one.closest(".scroll, .hidden")) continue;
      if (one.getBoundingClientRect().right > view.clientWidth + 1) told.push(`${name}: ${one.textContent} is outside`);
    }
  }
  document.title = "told";
  document.body.textContent = told.join("\\n");
};
"""


def shown_by_browser(page: Path, folder: Path) -> str:
    """The document of a page after a browser has run it; the browser keeps its own files in the folder."""
    return subprocess.run(
        [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--allow-file-access-from-files",
            f"--user-data-dir={folder}/profile",
            "--virtual-time-budget=5000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    ).stdout


def clipped(pages: Sequence[Path], folder: Path) -> list[str]:
    """What does not show of the pages and what does not tell so, by page and width."""
    frames = "".join(
        f'<iframe name="{page.stem} at {width}" src="{html.escape(page.as_uri())}" '
        f'style="width:{width}px;height:800px;border:0"></iframe>'
        for page in pages
        for width in WIDTHS
    )
    wrapper = folder / "frames.html"
    wrapper.write_text(f"<!doctype html><meta charset=utf-8><body>{frames}<script>{SCRIPT}</script>", "utf-8")
    seen = shown_by_browser(wrapper, folder)
    found = re.search(r"<title>told</title>.*<body>(.*)</body>", seen, re.DOTALL)
    if found is None:
        raise AssertionError(f"the browser did not look at the pages: {seen[:400]}")
    return [html.unescape(line) for line in found[1].splitlines() if line.strip()]
