"""What the app takes from a dropped folder to the first model, and what it loses when it is killed.

    python -m bench app                  two first models, and a training that is killed with its app; then all of
                                         `bench.app_images`: 22 minutes
    python -m bench app --only grid      one part of that

The app is a process of its own, as a person starts it, and Chromium clicks as one would. Needs playwright (group
`browser`) and Chromium.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import app_images
from bench.processor import measured_here
from vidi.app.importing import example_project
from vidi.app.jobs import Jobs
from vidi.data.project import make_project, read_project
from vidi.files import holder_of
from vidi.model_file.read import read_model
from vidi.workflows.interaction.event_file import EVENTS
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import train

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
MOST_CLICKS, MOST_SECONDS = 4, 180.0  # from the folder to a model that can be tried
CLEANING = 2  # clicks more with one finding settled on the way
MOST_BACK = 2.0  # seconds from the start of the next app until the page shows the training
PATIENCE = 600_000  # milliseconds
# A training that still goes on when the next app shows it on a busy computer, as the page asks for it and Python does.
EPOCHS = 100
ASKED = {"epochs": EPOCHS, "network": "compact", "pretrained": "none", "changes": ["options.width=0.25"]}
CHANGES = {"epochs": EPOCHS, "options.width": 0.25}
START = """
async (request) => {
  const options = { method: "POST", headers: { "content-type": "application/json" } };
  const answer = await fetch("/api/1/jobs", { ...options, body: JSON.stringify({ verb: "train", request }) });
  return (await answer.json()).id;
}
"""


def main() -> None:
    """Measure, print, and exit with 7 where a bar is not met."""
    if sys.argv[1:]:
        sys.exit(app_images.main())
    browser = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit("Chromium is not installed: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    print(measured_here())
    with (
        tempfile.TemporaryDirectory(prefix="vidi-bench-") as place,
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"]) as chromium,
    ):
        images = example_project(Path(place) / "examples").source
        one = next(images.rglob("*.jpg"))
        shutil.copy(one, one.with_name("again.jpg"))
        bars = [
            *first_model(Path(place) / "one", images, chromium.new_page()),
            *first_model(Path(place) / "cleaned", images, chromium.new_page(), cleans=True),
            *kills(Path(place) / "two", images, chromium.new_page()),
        ]
    images_code = app_images.main()
    sys.exit(images_code if all(bars) else 7)


@contextlib.contextmanager
def app(projects: Path, folder: Path | None = None) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A running app: the address that opens it, and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vidi", "app", *([] if folder is None else [str(folder)]), "--no-browser", "--port=0"],
        env={**os.environ, "VIDI_PROJECTS": str(projects)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        yield next(found[1] for line in process.stderr if (found := re.match(r"open (\S+)", line))), process
    finally:
        process.terminate()
        process.wait()


def first_model(projects: Path, images: Path, page: "Page", *, cleans: bool = False) -> list[bool]:
    """A folder is chosen, a model trained, its report shown, and Try opened: how many clicks and seconds."""
    with app(projects) as (address, _):
        took = click_to_model(page, address, images, cleans=cleans)
    how = "first model of 200 images" + (", its copies cleaned" if cleans else "")
    print(f"{how}: {took.clicks} clicks, {took.seconds:.0f} s until its report; {took.headline}")
    return [took.clicks <= MOST_CLICKS + CLEANING * cleans, took.seconds <= MOST_SECONDS]


@dataclass(frozen=True, slots=True)
class Took:
    """What it takes from a folder to a model that can be tried."""

    clicks: int  # a drop, or a button and a dialog of the system, is one
    seconds: float  # until its report
    headline: str  # of the report


def click_to_model(page: "Page", address: str, images: Path, *, cleans: bool) -> Took:
    """Go the way from a folder to a first model at the page of a new app.

    Args:
        address: that opens the app.
        images: the folder that is dropped.
        cleans: of an image that is there twice, one is left out on the way.
    """
    page.goto(address)
    page.wait_for_selector("input[webkitdirectory]", state="attached", timeout=PATIENCE)
    began, clicks = time.monotonic(), 0

    def click(element: "Locator") -> None:
        nonlocal clicks
        element.first.click(timeout=PATIENCE)
        clicks += 1

    page.locator("input[webkitdirectory]").set_input_files(images)
    clicks += 1
    page.wait_for_selector("#project:not(:empty)", timeout=PATIENCE)
    if cleans:
        click(page.locator(".chip", has_text="twice"))
        click(page.get_by_role("button", name="keep one of each"))
        page.wait_for_selector("text=Saved: left out as a copy", timeout=PATIENCE)
    click(page.locator("#views").get_by_text("Train", exact=True))
    page.wait_for_selector("#view form")
    click(page.get_by_text("Start", exact=True))
    page.wait_for_selector("iframe", timeout=PATIENCE)
    headline = page.frame_locator("iframe").locator("h1").inner_text(timeout=PATIENCE)
    seconds = time.monotonic() - began
    click(page.get_by_text("Try it", exact=True))
    page.wait_for_selector("body[data-view='try']", timeout=PATIENCE)
    return Took(clicks, seconds, headline)


def kills(projects: Path, images: Path, page: "Page") -> list[bool]:
    """The app is killed while it trains, then both are: when the page is back, and whether the weights differ."""
    project = make_project(projects, "kills", source=images)
    whole = train(
        TrainRequest(
            data=DataRequest(source=str(images)),
            output=projects / "whole",
            network="compact",
            pretrained="none",
            changes=CHANGES,
        )
    )
    with app(projects, project.folder) as (address, process):
        page.goto(address)
        page.wait_for_selector("#project:not(:empty)", timeout=PATIENCE)
        job = Jobs(project).find(page.evaluate(START, ASKED))
        _until_it_trains(job.folder / EVENTS)
        process.kill()
        process.wait()
    worker = holder_of(job.folder)
    print(f"app killed: the training {'goes on' if worker else 'has ended'}")
    began = time.monotonic()
    with app(projects, project.folder) as (address, process):
        page.goto(re.sub(r"view=\w+", "view=train", address))
        page.wait_for_selector("#stage", timeout=PATIENCE)
        back = time.monotonic() - began
        print(f"the next app shows the training {back:.2f} s after its start")
        if worker is not None:
            os.kill(worker, signal.SIGKILL)
        process.kill()
    while holder_of(job.folder) is not None:
        time.sleep(0.1)
    jobs = Jobs(read_project(project.folder))
    jobs.go_on(job.id)
    while jobs.state(job)[0] == "running":
        time.sleep(0.5)
    weights = [read_model(folder).weights_digest() for folder in (whole.folder, job.run_folder)]
    print(f"both killed and continued: the weights are {'the same' if len(set(weights)) == 1 else 'others'}")
    return [worker is not None, back <= MOST_BACK, len(set(weights)) == 1]


def _until_it_trains(events: Path) -> None:
    """Wait for the first epoch."""
    while not (events.is_file() and '"event": "epoch"' in events.read_text("utf-8")):
        time.sleep(0.1)


if __name__ == "__main__":
    main()
