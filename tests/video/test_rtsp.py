"""A stream as network cameras send it, from Debian's GStreamer RTSP server."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counts import count
from vidi.video.live import Frame, Patience, SourceChange
from vidi.video.sources import parse_source, watch_source

pytest.importorskip("av", reason="needs:av")
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's bindings are for its own Python
SERVER = Path(__file__).with_name("rtsp_server.py")
pytestmark = [
    pytest.mark.slow,  # seconds until the server's pipeline runs
    pytest.mark.skipif(
        sys.platform != "linux"
        or not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, SERVER, "--check"], capture_output=True, check=False).returncode != 0,
        reason="needs:gst-rtsp",
    ),
]


@contextlib.contextmanager
def rtsp_camera(port: int = 0) -> Iterator[int]:
    """A camera at this port, or at a free one; gives the port."""
    with subprocess.Popen([SYSTEM_PYTHON, SERVER, str(port)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.fault
def test_a_camera_that_goes_comes_back_and_is_read_on():
    rounds, stop = count(small=1, faults=3, soak=20), threading.Event()
    patience = Patience(open_seconds=10, read_seconds=3, retry_seconds=0.1, most_retry_seconds=0.5)
    changes: list[str] = []
    frames: list[Frame] = []
    with contextlib.ExitStack() as first:
        port = first.enter_context(rtsp_camera())
        running = first
        for told in watch_source(parse_source(f"rtsp://127.0.0.1:{port}/camera"), stop, patience=patience):
            if isinstance(told, SourceChange):
                changes.append(told.kind)
                if told.kind == "offline":
                    running = contextlib.ExitStack()
                    running.enter_context(rtsp_camera(port))
                    first.push(running.__exit__)
                continue
            frames.append(told)
            if len(frames) % 10 == 0:
                if changes.count("online") == rounds:
                    stop.set()
                else:
                    running.pop_all().close()
    assert changes == ["offline", "online"] * rounds
    assert all(frame.image.shape == (48, 64, 3) for frame in frames)
    assert [frame.seconds for frame in frames] == sorted(frame.seconds for frame in frames)
