"""The tutorial about a person's presence, run from its first command to its last, with drawn people."""

import os
import secrets
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="needs:av")

from tests.docs.pages import ROOT, blocks, commands
from tests.docs.test_serve import Reader
from tests.draw import draw, encoded
from tests.video.draw import write_video
from vidi.files import digest_of, write_atomic
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.review import open_review

PAGE = ROOT / "docs" / "presence.md"
SIZE = (64, 32)
SHOWN = {"person": "disc", "background": "stripes"}
ANSWERED = 30


def window(kind: str, seed: int, *, light: float = 1.0) -> np.ndarray:
    return np.rint(light * draw(SHOWN[kind], size=SIZE, seed=seed)).astype(np.uint8)


def set_up(folder: Path) -> dict[str, str]:
    """The pictures that the page names; of each evening's the digest and what it shows."""
    truth = {}
    for kind in SHOWN:
        for number in range(110):  # a tenth of them tells the monitor what images usually are like: 20 are needed
            write_atomic(folder / "windows" / kind / f"{number:03}.png", encoded(window(kind, number)))
        for number in range(60):
            data = encoded(window(kind, 500 + number, light=0.3))
            write_atomic(folder / "evening" / f"{kind}-{number:03}.png", data)
            truth[digest_of(data)] = kind
    for number in range(4):
        data = encoded(draw("stripes", size=(96, 128), seed=900 + number))
        write_atomic(folder / "streets" / f"{number}.png", data)
    write_atomic(folder / "new" / "street.jpg", encoded(draw("disc", size=(96, 128), seed=7), format="JPEG"))
    scenes = [("background", 15), ("person", 20), ("background", 15)]
    frames = [window(kind, 700 + place) for place, (kind, count) in enumerate(scenes) for _ in range(count)]
    write_video(folder / "new" / "door.mp4", frames)
    return truth


def label(folder: Path, truth: dict[str, str]) -> int:
    """Answer on the review page as somebody who knows what the pictures show; how many answers."""
    wanted = ReviewRequest(log=str(folder / "people.sqlite"), model=folder / "runs" / "people")
    view, count = secrets.token_hex(16), 0
    with open_review(wanted, environment=os.environ) as desk:
        while count < ANSWERED and (item := desk.next(view).item) is not None:
            said = truth.get(item.digest, "person")  # the street's picture, which the server has kept
            desk.answer(view, item.digest, key=secrets.token_hex(16), kind="label", labels=(said,))
            count += 1
    return count


@pytest.mark.integration  # trains twice, and starts a server
@pytest.mark.usefixtures("undrawn")
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs:curl")
def test_the_way_from_windows_to_a_better_model_goes_as_the_page_shows_it(tmp_path: Path):
    truth = set_up(tmp_path)
    reader = Reader(tmp_path)
    try:
        for kind, block in blocks(PAGE, "console", "sh"):
            if kind == "sh" and block.startswith("vidi review"):
                assert label(tmp_path, truth) == ANSWERED
            elif kind == "sh":
                done = reader.ended(block)
                assert done.returncode in (0, 7), done.stderr  # the gate may keep the model in use
                assert "gate.html" in done.stdout
            else:
                for command in commands(block):
                    (reader.start if "vidi serve" in command.line else reader.run)(command)
    finally:
        reader.stop()
    for name in ("boxes/boxes.html", "events/index.html", "change.html", "evening.csv", "runs/people/report.html"):
        assert (tmp_path / name).stat().st_size > 0
    assert list((tmp_path / "events" / "snapshots").iterdir()) != []
    assert list((tmp_path / "counts" / "snapshots").iterdir()) == []
