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
from vidi.workflows.interaction.events import Silence
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


class Heard(Silence):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: queue.Queue[str] = queue.Queue()

    def say(self, sentence: str) -> None:
        self.lines.put(sentence)

    def address(self) -> str:
        while not (line := self.lines.get(timeout=SECONDS)).startswith("open "):
            pass
        return line.removeprefix("open ").rstrip("/")


@contextmanager
def review_page(request: ReviewRequest) -> Iterator[str]:
    """The address of a running review."""
    heard, lifecycle, failed = Heard(), Lifecycle(), list[BaseException]()

    def serve() -> None:
        try:
            serve_review(replace(request, port=0), events=heard, environment={}, lifecycle=lifecycle)
        except BaseException as error:
            failed.append(error)
            heard.say("open nowhere")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        address = heard.address()
        if failed:
            raise failed[0]
        yield address
    finally:
        lifecycle.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()
