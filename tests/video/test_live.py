"""Streams: the newest frame, hangs that end, drops that are mended, and a stop that is heard."""

import contextlib
import http.server
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import pytest

from tests.counts import count
from tests.video.draw import av, grey, number_of
from tests.video.streams import giant_jpeg, http_camera, jpeg
from tests.video.watched import light_model
from vidi.errors import DataError
from vidi.video.live import READER, Frame, Patience, SourceChange, watch_live
from vidi.video.opening import Opened
from vidi.video.sources import parse_source, watch_source

QUICK = Patience(open_seconds=5, read_seconds=5, retry_seconds=0.01, most_retry_seconds=0.05)
HASTY = Patience(open_seconds=0.3, read_seconds=0.3, retry_seconds=0.01, most_retry_seconds=0.05)


class SimulatedPacket:
    """A packet of one picture."""

    pts, duration, time_base, is_corrupt = None, None, Fraction(1, 30), False

    def __init__(self, picture: Any) -> None:
        self.picture = picture

    def decode(self) -> list[Any]:
        return [self.picture]


class SimulatedCamera:
    """Stands for a container: its time goes on only as far as `shown`, so a test decides how fast it is."""

    streams, duration, start_time = (), None, None

    def __init__(self) -> None:
        self.shown, self.given, self.is_closed = 0, 0, False
        self.changed = threading.Condition()
        self.picture = av.VideoFrame.from_ndarray(grey(0), format="rgb24")

    def demux(self, _: object) -> Iterator[SimulatedPacket]:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.given < self.shown or self.is_closed)
                if self.is_closed:
                    return
                self.given += 1
                self.changed.notify_all()
            yield SimulatedPacket(self.picture)

    def show(self, pictures: int) -> None:
        """Let time pass: so many pictures are sent, and taken from the network."""
        with self.changed:
            self.shown += pictures
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.given == self.shown, 10)

    def close(self) -> None:
        with self.changed:
            self.is_closed = True
            self.changed.notify_all()


class NoStream:
    """Stands for a stream that states nothing of itself."""

    duration = start_time = time_base = None


@pytest.mark.fault
def test_a_slow_reader_is_never_more_than_two_frames_behind():
    """Ten minutes of 30 frames a second for a reader of 2 a second; `make soak` plays an hour."""
    camera, stop = SimulatedCamera(), threading.Event()
    frames = watch_live(lambda _: cast(Opened, _opened(camera)), stop, rate=None, patience=QUICK)
    camera.shown = 1
    lags = []
    for _ in range(count(small=1200, soak=7200)):
        frame = next(frames)
        assert isinstance(frame, Frame)
        lags.append(camera.shown - 1 - frame.number)
        camera.show(15)
    assert max(lags[1:]) <= 2
    stop.set()
    camera.close()
    assert list(frames) == []


def _opened(camera: SimulatedCamera) -> Opened:
    return Opened(cast(Any, camera), cast(Any, NoStream()))


@pytest.mark.fault
def test_every_drop_is_mended_and_told_once():
    drops = count(small=5, faults=20, soak=100)

    def play(number, send):
        for _ in range(3):
            send(jpeg(number % 20))  # then the connection is closed

    stop, changes, seen = threading.Event(), [], []
    with http_camera(play) as address:
        for told in watch_source(parse_source(address), stop, patience=QUICK):
            if isinstance(told, SourceChange):
                changes.append(told.kind)
                if changes.count("online") == drops:
                    stop.set()
            else:
                seen.append((told.seconds, told.number))
    assert changes == ["offline", "online"] * drops
    assert seen == sorted(seen)
    assert len({number for _, number in seen}) == len(seen)


@pytest.mark.fault
def test_a_stream_that_stalls_is_left_and_opened_again():
    silent = threading.Event()

    def play(number, send):
        for _ in range(6):  # some are needed to know what kind of stream it is
            send(jpeg(number % 20))
        silent.wait(20)

    stop, told = threading.Event(), []
    with http_camera(play) as address:
        for one in watch_source(parse_source(address), stop, patience=HASTY):
            told.append(one)
            if isinstance(one, SourceChange) and one.kind == "online":
                stop.set()
        silent.set()
    changes = [one for one in told if isinstance(one, SourceChange)]
    assert [change.kind for change in changes] == ["offline", "online"]
    assert "secret" not in changes[0].reason
    assert number_of(next(one for one in told if isinstance(one, Frame)).image) == 0


@pytest.mark.fault
def test_an_opening_that_hangs_beyond_every_deadline_is_left_for_another():
    release, begun, stop = threading.Event(), [], threading.Event()

    def connect(_: object) -> Opened:
        begun.append(1)
        release.wait(20)  # as a system's call without a deadline does
        raise DataError("late", "Wait.")

    changes = []
    for change in watch_live(connect, stop, rate=None, patience=HASTY):
        changes.append(change)
        threading.Thread(target=lambda: (_until(lambda: len(begun) >= 3), stop.set()), daemon=True).start()
    release.set()
    assert [(change.kind, change.reason) for change in changes] == [("offline", "no image came for 0.3 s")]
    assert len(begun) >= 3


def _until(is_so: Any) -> None:
    while not is_so():
        threading.Event().wait(0.01)


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield server.getsockname()[1]


@pytest.mark.fault
@pytest.mark.parametrize("scheme", ["http", "rtsp", "https", "rtsps"])
def test_a_stop_is_heard_while_a_stream_connects(scheme):
    stop = threading.Event()
    with silent_server() as port:
        frames = watch_source(parse_source(f"{scheme}://127.0.0.1:{port}/"), stop)
        timer = threading.Timer(0.05, stop.set)
        timer.start()
        began = time.monotonic()
        assert list(frames) == []
        assert time.monotonic() - began < 1.5  # a deadline of 15 s is not waited for


def first_change(address: str) -> SourceChange:
    stop = threading.Event()
    told = watch_source(parse_source(address), stop, patience=QUICK)
    change = next(told)
    stop.set()
    assert list(told) == []
    assert isinstance(change, SourceChange)
    return change


@pytest.mark.fault
@pytest.mark.slow  # megabytes
def test_an_image_without_an_end_is_left_after_its_limit():
    sent = []

    def play(_, send):
        send(b"--picture\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg(0)[:300])
        while True:
            send(bytes(1 << 20))
            sent.append(1 << 20)

    with http_camera(play, is_raw=True) as address:
        change = first_change(address)
    assert "more than 32 MB" in change.reason
    assert sum(sent) < 100_000_000  # what the system holds of several connections among it


@pytest.mark.fault
@pytest.mark.slow  # 64 megapixels
def test_giant_images_are_named():
    with http_camera(lambda _, send: send(giant_jpeg(8001))) as address:
        assert "8,001 × 8,001 pixels; the limit is 64,000,000" in first_change(address).reason


@pytest.mark.fault
def test_no_thread_is_left_inside_ffmpeg_when_a_silent_stream_is_stopped():
    silent, stop = threading.Event(), threading.Event()

    def play(_, send):
        stop.set()
        silent.wait(20)

    with http_camera(play) as address:
        assert list(watch_source(parse_source(address), stop)) == []
        assert not [thread for thread in threading.enumerate() if thread.name == READER]
        silent.set()


@pytest.mark.fault
@pytest.mark.slow  # processes
@pytest.mark.parametrize("kind", ["giant", "silent", "rtsp"])
def test_ctrl_c_ends_a_watch_without_a_crash(tmp_path, kind):
    """The reader of a silent RTSP stream stays inside FFmpeg for seconds."""
    model, over = light_model(tmp_path / "light.onnx"), threading.Event()

    def play(_, send):
        while kind == "giant":
            send(giant_jpeg(8001))
        over.wait(60)

    with contextlib.ExitStack() as stack:
        if kind == "rtsp":
            address = f"rtsp://127.0.0.1:{stack.enter_context(silent_server())}/"
        else:
            address = stack.enter_context(http_camera(play))
        for _ in range(count(small=1, faults=5, soak=20)):
            command = [sys.executable, "-m", "vidi", "watch", str(model), address]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                assert process.stderr is not None
                assert process.stderr.readline().startswith("watching ")
                threading.Event().wait(random.uniform(0.1, 1.0))
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=60)
            assert process.returncode == 0
        over.set()


def test_a_camera_that_is_off_is_told_without_its_password():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused
        change = first_change(f"http://user:secret@127.0.0.1:{unused.getsockname()[1]}/camera")
    assert (change.kind, change.seconds) == ("offline", 0)
    assert "refused" in change.reason
    assert "secret" not in change.reason


@contextlib.contextmanager
def answering(status: int, headers: dict[str, str], body: bytes = b"") -> Iterator[tuple[str, list[str]]]:
    """A server with one answer; gives its address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("asked", ['Basic realm="camera"', 'Digest realm="camera", nonce="abc", qop="auth"'])
def test_a_camera_is_told_user_and_password_when_it_asks(asked):
    told = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if (said := self.headers.get("Authorization")) is None:
                self.send_response(401)
                self.send_header("WWW-Authenticate", asked)
                self.send_header("Content-Length", "0")
            else:
                told.append(said)
                self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        change = first_change(f"http://us%40er:secret@127.0.0.1:{server.server_address[1]}/camera?a=1")
        server.shutdown()
        thread.join()
    assert change.reason.endswith("the server has no such page")
    assert "dXNAZXI6c2VjcmV0" in told[0] or 'username="us@er"' in told[0]


@pytest.mark.fault
def test_a_stream_that_sends_elsewhere_is_not_followed():
    with (
        answering(200, {}) as (elsewhere, asked),
        answering(302, {"Location": f"{elsewhere}/camera"}) as (address, _),
    ):
        assert first_change(f"{address}/camera").kind == "offline"
        assert asked == []


@pytest.mark.fault
def test_a_playlist_is_no_stream_and_opens_no_address():
    with answering(200, {}) as (elsewhere, asked):
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{elsewhere}/a.ts\n"
        headers = {"Content-Type": "application/vnd.apple.mpegurl"}
        with answering(200, headers, playlist.encode()) as (address, _):
            assert first_change(f"{address}/list.m3u8").kind == "offline"
        assert asked == []


def test_of_a_rate_the_newest_frame_is_given():
    camera, stop = SimulatedCamera(), threading.Event()
    frames = watch_live(lambda _: _opened(camera), stop, rate=1e6, patience=QUICK)
    camera.shown = 1
    next(frames)
    camera.show(40)
    camera.show(1)  # the 40 have arrived: the thread has come back for this one
    numbers = [cast(Frame, next(frames)).number]
    assert numbers[0] >= 40
    stop.set()
    camera.close()
