"""What many images on the page take of their users' time: `python -m bench app [--only grid|many|review]`.

    grid     10,000 drawn images in Chromium: frames while the grid is scrolled by wheel and by thumb, elements, shifts
    review   20 images answered by one key each: until the next one is there
    many     100,000 drawn images: first screen after a restart, filter, sort, a bulk of 10,000, the server's memory

`--images` and `--many` take fewer. Frames are measured in headless Chromium without a graphics card. Drawing and
checking 100,000 images takes ten minutes on two cores. Needs Linux, playwright (group `browser`) and Chromium.
"""

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import numpy as np
from PIL import Image

from bench.page import CHROMIUM
from bench.processor import measured_here
from vidi.files import write_atomic

if TYPE_CHECKING:
    import httpx
    from playwright.sync_api import Browser, Page

CLASSES: Final = 10
SIDE: Final = 24  # pixels
BULK: Final = 10_000
ANSWERED: Final = 20  # images, one after the other
ROUNDS: Final = 5
PATIENCE: Final = 1800.0  # seconds for a check
BARS: Final[Mapping[str, float]] = {  # at most
    "frames over 25 ms, share": 0.05,
    "longest frame, ms": 100,
    "script a frame, ms": 4,
    "elements in the grid": 400,
    "layout shift": 0.01,
    "next image, ms": 100,
    "first screen, ms": 1000,
    "filter, ms": 200,
    "sort, ms": 200,
    "bulk of 10,000, ms": 1000,
    "server, MB": 500,
    "server while it checks, MB": 500,
}
SCROLL = """
async ({ by, seconds }) => {
  const box = document.querySelector(".grid"), frames = [];
  let most = 0, shift = 0, last = 0;
  const shifts = new PerformanceObserver((list) => { for (const one of list.getEntries()) shift += one.value; });
  shifts.observe({ type: "layout-shift" });
  const far = box.scrollHeight - box.clientHeight, began = performance.now();
  box.scrollTop = 0;
  for (;;) {
    const now = await new Promise(requestAnimationFrame);
    if (last) frames.push(now - last);
    last = now;
    if (now - began > 1000 * seconds) break;
    most = Math.max(most, box.querySelectorAll("*").length);
    if (by === "thumb") box.scrollTop = far * Math.abs(Math.sin(2 * (now - began) / 1000));
    else box.scrollTop += 60;
  }
  shifts.disconnect();
  return { frames, most, shift };
}
"""
ANSWER = """
async (key) => {
  const dialog = document.querySelector("dialog.large"), place = String(Number(dialog.dataset.place) + 1);
  const isThere = () => dialog.dataset.place === place && dialog.querySelector("img[data-seen]");
  const began = performance.now();
  dialog.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  while (!isThere()) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}
"""
SHOWN = """
async () => {
  const isShown = (image) => image.complete && image.naturalWidth > 0;
  const images = () => [...document.querySelectorAll(".cells:not([hidden]) .cell:not([hidden]) img")];
  while (!images().length || !images().every(isShown)) await new Promise(requestAnimationFrame);
  return performance.now();
}
"""


def main() -> int:
    """Measure, print, and keep the result where it is asked for; 7 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("grid", "review", "many"))
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the drawn images stay, for the next time")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    parts: dict[str, Callable[[Path, Browser], dict[str, float]]] = {
        "grid": lambda place, browser: scrolled(drawn(place, options.images), browser),
        "review": lambda place, browser: reviewed(drawn(place, options.images), browser),
        "many": lambda place, browser: many(drawn(place, options.many), browser),
    }
    figures: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        place = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        browser = stack.enter_context(chromium())
        for name, measure in parts.items():
            if options.only in (None, name):
                figures |= measure(place, browser)
    missed = [name for name, bar in BARS.items() if figures.get(name, 0) > bar]
    for name, figure in figures.items():
        bar = f"   at most {BARS[name]:g}{'   MISSED' if name in missed else ''}" if name in BARS else ""
        print(f"{name:34}{figure:10.3f}{bar}")
    if options.output is not None:
        document = {**measured_here(), "images": options.images, "many": options.many, **figures, "missed": missed}
        write_atomic(options.output, json.dumps(document, indent=1) + "\n")
    return 7 if missed else 0


def drawn(place: Path, count: int) -> Path:
    """A folder of class folders with as many small images, no two the same; drawn where it is not there."""
    folder, random = place / str(count) / "photos", np.random.default_rng(0)
    if folder.is_dir():
        return folder
    making = folder.with_name("making")
    shutil.rmtree(making, ignore_errors=True)
    for number in range(count):
        inside = making / f"class {number % CLASSES}" / f"{number // 10_000:02}"
        inside.mkdir(parents=True, exist_ok=True)
        blocks = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        blocks.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(inside / f"{number:06}.png", compress_level=1)
    making.rename(folder)
    return folder


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """Chromium without a window."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        sys.exit("Chromium is not installed: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@dataclass(frozen=True, slots=True)
class App:
    """A running app."""

    address: str  # that opens it, with its token
    process: "subprocess.Popen[str]"

    @property
    def megabytes(self) -> dict[str, float]:
        """What its process holds now, and has held at most."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = {name: int(value) for name, value in re.findall(r"(VmRSS|VmHWM):\s+(\d+)", text)}
        return {"now": kilobytes["VmRSS"] / 1000, "at most": kilobytes["VmHWM"] / 1000}

    @contextlib.contextmanager
    def client(self) -> Iterator["httpx.Client"]:
        """A client that is let in."""
        import httpx

        url, _, fragment = self.address.partition("/#")
        with httpx.Client(base_url=url, timeout=60) as client:
            token = parse_qs(fragment)["token"][0]
            client.post("/api/1/session", headers={"authorization": f"Bearer {token}"}).raise_for_status()
            yield client

    def wait(self) -> None:
        """Until all images are checked."""
        with self.client() as client:
            ends = time.monotonic() + PATIENCE
            while client.get("/api/1/findings").json()["stage"] != "done":
                if time.monotonic() > ends:
                    sys.exit("the check does not end")
                time.sleep(0.5)


@contextlib.contextmanager
def app(folder: Path) -> Iterator[App]:
    """The app at a folder, in a process of its own; what it keeps lies beside the folder."""
    kept = {"VIDI_CACHE": str(folder.parent / "cache"), "VIDI_PROJECTS": str(folder.parent / "projects")}
    command = [sys.executable, "-m", "vidi", "app", str(folder), "--no-browser", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **kept}
    ) as process:
        assert process.stderr is not None
        try:
            opened = next(match for line in process.stderr if (match := re.search(r"open (\S+)", line)))
            yield App(opened[1], process)
        finally:
            process.terminate()
            process.stderr.read()


@contextlib.contextmanager
def page_of(browser: "Browser", address: str) -> Iterator["Page"]:
    """A page of its own at the images."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(address)
    page.evaluate(SHOWN)
    yield page
    context.close()


def scrolled(folder: Path, browser: "Browser") -> dict[str, float]:
    """Frames while the grid is scrolled, with all thumbnails made before."""
    with app(folder) as running:
        running.wait()
        with page_of(browser, running.address) as page:
            page.evaluate(SCROLL, {"by": "wheel", "seconds": 2})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            found, script = [], 0.0
            for by in ("wheel", "thumb"):
                before = script_seconds(session)
                found.append(page.evaluate(SCROLL, {"by": by, "seconds": 6}))
                script = max(script, 1000 * (script_seconds(session) - before) / len(found[-1]["frames"]))
                page.evaluate(SHOWN)
    frames = [frame for one in found for frame in one["frames"]]
    return {
        "frames over 25 ms, share": sum(frame > 25 for frame in frames) / len(frames),
        "longest frame, ms": max(frames),
        "median frame, ms": statistics.median(frames),
        "script a frame, ms": script,
        "elements in the grid": max(one["most"] for one in found),
        "layout shift": sum(one["shift"] for one in found),
    }


def script_seconds(session: Any) -> float:
    """What scripts of the page have used."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "ScriptDuration"))


def reviewed(folder: Path, browser: "Browser") -> dict[str, float]:
    """From a key to the next image, which is decoded; the slowest of some."""
    with app(folder) as running:
        running.wait()
        with page_of(browser, running.address) as page:
            page.click(".cell >> nth=0")
            page.keyboard.press("o")
            page.wait_for_selector("dialog.large[open] img[data-seen]")
            taken = [page.evaluate(ANSWER, "12x"[number % 3]) for number in range(ANSWERED)]
    return {"next image, ms": max(taken), "next image, median, ms": statistics.median(taken)}


def many(folder: Path, browser: "Browser") -> dict[str, float]:
    """What a large set takes after a restart; before it, the check of all images."""
    labels = folder.with_name(f"{folder.name}.labels.jsonl")
    labels.unlink(missing_ok=True)
    began = time.monotonic()
    with app(folder) as running:
        running.wait()
        figures = {"check, s": time.monotonic() - began, "server while it checks, MB": running.megabytes["at most"]}
    began = time.monotonic()
    with app(folder) as running, page_of(browser, running.address):
        figures["first screen from the start of vidi, s"] = time.monotonic() - began
    with app(folder) as running:
        with running.client() as client:
            client.get("/api/1/runs").raise_for_status()  # everything is imported
        with page_of(browser, running.address) as page:
            figures["first screen, ms"] = page.evaluate("performance.now()")
        running.wait()
        with running.client() as client:
            filters = ("odd", "near-copies", "exact-copies", "unlabelled", "changed")
            figures["filter, ms"] = slowest([lambda one=one: asked(client, filter=one) for one in filters])
            sorts = ("path", "name", "class", "odd", "alike")
            figures["sort, ms"] = slowest([lambda one=one: asked(client, sort=one) for one in sorts])
            figures["search, ms"] = slowest([lambda: asked(client, text="0123")])
            found = asked(client)
            rows = found["order"][: min(BULK, len(found["order"]))]
            figures["bulk of 10,000, ms"] = slowest([lambda: said(client, found["stamp"], rows)])
            figures["undo of it, ms"] = slowest([lambda: client.post("/api/1/labels/undo").raise_for_status()])
        figures["server, MB"] = running.megabytes["at most"]
    labels.unlink(missing_ok=True)
    return figures


def asked(client: "httpx.Client", **query: str) -> dict[str, Any]:
    """The order of all images of a query, with the first of them described."""
    found: dict[str, Any] = client.get("/api/1/images", params=query).raise_for_status().json()
    return found


def said(client: "httpx.Client", stamp: str, rows: list[int]) -> None:
    """Label images, all at once."""
    body = {"stamp": stamp, "rows": rows, "key": secrets.token_hex(16), "kind": "label", "labels": ["bark"]}
    client.post("/api/1/labels", json=body).raise_for_status()


def slowest(acts: list[Callable[[], object]]) -> float:
    """Milliseconds of the slowest of several acts, each by the median of its rounds."""

    def once(act: Callable[[], object]) -> float:
        began = time.perf_counter()
        act()
        return 1000 * (time.perf_counter() - began)

    return max(statistics.median(once(act) for _ in range(ROUNDS)) for act in acts)


if __name__ == "__main__":
    sys.exit(main())
