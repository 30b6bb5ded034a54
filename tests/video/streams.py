"""Streams on this computer: an HTTP server that plays MJPEG pictures and drops, stalls or refuses as it is told."""

import contextlib
import functools
import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

from tests.video.draw import grey

Send = Callable[[bytes], None]
Play = Callable[[int, Send], None]  # the connection's number from 0, and how a picture is sent


def jpeg(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(grey(number)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@functools.cache
def giant_jpeg(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side), 128).save(stream, "JPEG")
    return stream.getvalue()


@contextlib.contextmanager
def http_camera(play: Play, *, is_raw: bool = False) -> Iterator[str]:
    """A camera whose every connection is played by `play`; gives its address. `is_raw`: bytes are sent as they are."""
    count, lock = iter(range(1_000_000)), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                number = next(count)

            def send(data: bytes) -> None:
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(data if is_raw else head.encode() + data + b"\r\n")
                self.wfile.flush()

            with contextlib.suppress(OSError):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=picture")
                self.end_headers()
                play(number, send)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://user:secret@127.0.0.1:{server.server_address[1]}/camera"
        finally:
            server.shutdown()
            thread.join()
