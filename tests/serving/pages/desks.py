"""Reviews for the tests: a folder of drawn images, a log that keeps some, and the page's server in a thread."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.draw import class_folders, draw, encoded
from tests.model_file.test_golden import limits, written
from tests.model_file.tiny import tiny_metadata
from vidi.serving.pages.review import serve_review
from vidi.serving.protocol.incoming import Lifecycle
from vidi.workflows.interaction.events import Event, Events, Message
from vidi.workflows.requests.in_use import ReviewRequest

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
                return sentence.removeprefix("open ").rstrip("/")


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
