"""Reviews for the tests: a folder of drawn images, a log that keeps some, and the page's server in a thread."""

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import httpx

from tests.draw import class_folders, draw, encoded
from tests.model_file.test_golden import limits, written
from tests.model_file.tiny import tiny_metadata
from vidi.app.review import serve_review
from vidi.app.start import run_app
from vidi.serving.protocol.incoming import Lifecycle
from vidi.workflows.interaction.events import Event, Events, Message
from vidi.workflows.requests.in_use import AppRequest, ReviewRequest

if TYPE_CHECKING:
    from playwright.sync_api import Page

KINDS = ("disc", "square", "stripes")
SIZE = (120, 160)
SECONDS = 30.0


def photos(folder: Path, *, new: int = 3) -> Path:
    """Class folders of two kinds, and unlabelled images of two beside them."""
    root = class_folders(folder / "photos", kinds=("disc", "stripes"), each=3, size=SIZE)
    for kind in ("disc", "square"):
        for seed in range(new):
            (root / f"new-{kind}-{seed}.png").write_bytes(encoded(draw(kind, size=SIZE, seed=100 + seed)))
    return root


def drawn_model(path: Path, *, multi_label: bool = False) -> Path:
    """A model file with random weights that gives all verdicts."""
    metadata = replace(
        tiny_metadata(),
        classes=KINDS,
        multi_label=multi_label,
        verdict=None if multi_label else limits(sure=0.5, candidate=0.05, novelty=1e9),
    )
    return written(path, metadata).path


def address_in(heard: "queue.Queue[Event]") -> str:
    """The address that the review says is open."""
    while True:
        match heard.get(timeout=SECONDS):
            case Message(sentence) if sentence.startswith("open "):
                return sentence.removeprefix("open ")


def looks(page: "Page", name: str) -> Iterator[str]:
    """Show a page narrow and wide, light and dark: the name of each look, which VIDI_SHOTS gets a picture of."""
    for width in (320, 1280):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            if "VIDI_SHOTS" in os.environ:
                page.screenshot(path=f"{os.environ['VIDI_SHOTS']}/{name}-{width}-{scheme}.png", full_page=True)
            yield f"{width} {scheme}"


@contextmanager
def signed_in(address: str) -> Iterator[httpx.Client]:
    """A client of the server that an address opens, with the cookie that its token brings."""
    url, _, fragment = address.partition("/#")
    with httpx.Client(base_url=url, timeout=SECONDS) as client:
        token = parse_qs(fragment)["token"][0]
        client.post("/api/1/session", headers={"authorization": f"Bearer {token}"}).raise_for_status()
        yield client


def cookie_of(client: httpx.Client) -> str:
    """The header that a browser would send."""
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


@contextmanager
def review_page(request: ReviewRequest) -> Iterator[str]:
    """The address of a running review."""
    heard, lifecycle, failed = queue.Queue[Event](), Lifecycle(), list[BaseException]()

    def serve() -> None:
        try:
            serve_review(replace(request, port=0), events=Events(heard.put), environment={}, lifecycle=lifecycle)
        except BaseException as error:
            failed.append(error)
            heard.put(Message("open nowhere"))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        address = address_in(heard)
        if failed:
            raise failed[0]
        yield address
    finally:
        lifecycle.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()


@contextmanager
def running_app(projects: Path, data: Path | None = None, *, port: int = 0) -> Iterator[str]:
    """The address that opens a running app."""
    heard, lifecycle, failed = queue.Queue[str](), Lifecycle(), list[BaseException]()
    request = AppRequest(data=None if data is None else str(data), port=port, browser=False)

    def run() -> None:
        try:
            run_app(request, say=heard.put, environment={"VIDI_PROJECTS": str(projects)}, lifecycle=lifecycle)
        except BaseException as error:
            failed.append(error)
            heard.put("open nowhere")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while not (said := heard.get(timeout=SECONDS)).startswith("open "):
            pass
        if failed:
            raise failed[0]
        yield said.removeprefix("open ")
    finally:
        lifecycle.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()
