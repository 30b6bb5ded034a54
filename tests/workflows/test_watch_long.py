"""A watch that goes on for long: memory stays flat, and nothing piles up in its folder."""

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="needs:av")

from tests.counts import count
from tests.video.watched import DARK, LIGHT, light_predictor, picture

from vidi.video.live import Frame
from vidi.video.sources import VideoSource
from vidi.workflows import watch as watching
from vidi.workflows.interaction.events import SILENCE
from vidi.workflows.requests.in_use import WatchOutputs, WatchRequest
from vidi.workflows.watch import watch_with
from vidi.workflows.watching.outputs import printing

RATE = 5  # frames a second
EVERY = 30  # seconds from one event to the next; each lasts a third of it
LARGE = (360, 640)
MOST_GROWTH = 40e6  # bytes, between a quarter of the time and the end


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.integration
@pytest.mark.fault
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs:/proc")
def test_an_hour_of_a_camera_takes_no_more_memory_than_its_first_quarter(tmp_path: Path, monkeypatch):
    seconds = count(small=240, faults=900, soak=3_600)
    sizes: list[int] = []

    def frames(_: VideoSource, stop: threading.Event, **__: Any) -> Iterator[Frame]:
        for number in range(seconds * RATE):
            at = number / RATE
            if number % (seconds * RATE // 4) == 0:
                sizes.append(resident())
            yield Frame(image=picture(LIGHT if at % EVERY < EVERY / 3 else DARK, LARGE), seconds=at, number=number)
        stop.set()

    monkeypatch.setattr(watching, "watch_source", frames)
    outputs = WatchOutputs(output=tmp_path / "events", clips=True, log=str(tmp_path / "log.sqlite"))
    code = watch_with(
        light_predictor(tmp_path),
        WatchRequest(source="0", locate=True),
        outputs,
        tell=printing(io.StringIO(), as_json=False),
        environment={},
        events=SILENCE,
    )
    sizes.append(resident())

    assert code == 0
    assert max(sizes[2:]) - sizes[1] < MOST_GROWTH
    rows = (tmp_path / "events" / "events.jsonl").read_text().splitlines()
    assert sum('"end"' in row for row in rows) == seconds // EVERY
