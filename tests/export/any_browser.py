"""`python -m tests.export.any_browser [COMMAND …]`: does a browser answer as Python does?

It serves the page with a model of drawn weights, and opens its address with COMMAND, in which `{}` stands for the
address. Without COMMAND it prints the address and waits until somebody opens it. The page classifies one image and
sends its answer back; the exit code is 0 where the answer is Python's.
"""

import functools
import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.file_host import Quiet

from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from vidi.export.to_web import write_web
from vidi.images.decode import decode_image
from vidi.prediction.predictor import Predictor

LONGEST = 240  # seconds until an answer; a simulated phone starts slowly
AROUND = """<!doctype html><iframe src="./?embed" width="600" height="600"></iframe><script type="module">
const image = await (await fetch("disc.png")).blob();
const tell = (said) => fetch("said", { method: "POST", body: JSON.stringify(said) });
addEventListener("message", ({ data, source }) => {
  if (data.vidi === "ready") source.postMessage({ vidi: "classify", id: 1, image }, "*");
  else if (data.vidi) tell({ ...data, browser: navigator.userAgent });
});
</script>"""


class _Host(Quiet):
    """Files, and a place where the page sends its answer."""

    def __init__(self, answers: "queue.Queue[dict[str, Any]]", *words: Any, directory: str) -> None:
        self._answers = answers
        super().__init__(*words, directory=directory)

    def do_POST(self) -> None:  # noqa: N802  # as http.server calls it
        """Keep the answer."""
        self._answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()


def answer_of(folder: Path, opened: Callable[[str], AbstractContextManager[object]]) -> tuple[str, dict[str, Any]]:
    """What a browser answers about a drawn image.

    Args:
        folder: for the page; new.
        opened: opens an address in a browser, and closes that at the end.

    Returns:
        The browser as it calls itself, and its answer.

    Raises:
        queue.Empty: no answer came in time.
    """
    folder.mkdir()
    write_web(folder, [("tiny", tiny_model(folder.with_suffix(".onnx")))])
    (folder / "around.html").write_text(AROUND, "utf-8")
    (folder / "disc.png").write_bytes(_image())
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    handler = functools.partial(_Host, answers, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with opened(f"http://127.0.0.1:{server.server_address[1]}/around.html"):
                told = answers.get(timeout=LONGEST)
        finally:
            server.shutdown()
            thread.join()
    return told["browser"], told["answer"]


def differences(folder: Path, answer: dict[str, Any]) -> list[str]:
    """Where a browser's answer differs from Python's."""
    expected = Predictor.load(folder.with_suffix(".onnx")).predict([decode_image(_image()).image])[0]
    pairs = zip(answer["probabilities"], expected.probabilities.tolist(), strict=True)
    found = [f"probability {one:.4f} in place of {other:.4f}" for one, other in pairs if abs(one - other) > 0.01]
    return found + [f"{answer['label']} in place of {expected.label}"] * (answer["label"] != expected.label)


def _image() -> bytes:
    return encoded(draw("disc", size=(60, 80)))


@contextmanager
def _started(command: list[str], url: str) -> Iterator[None]:
    process = subprocess.Popen([word.replace("{}", url) for word in command])
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def main(command: list[str]) -> None:
    """Open the page, wait for its answer and compare it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "page"

        def opened(url: str) -> AbstractContextManager[object]:
            sys.stdout.write(f"open {url}\n")
            sys.stdout.flush()
            return _started(command, url) if command else nullcontext()

        try:
            browser, answer = answer_of(folder, opened)
        except queue.Empty:
            sys.exit(f"no answer came within {LONGEST} s")
        wrong = differences(folder, answer)
    if wrong:
        sys.exit("\n".join([browser, *wrong]))
    sys.stdout.write(f"{browser}: answers as Python does\n")


if __name__ == "__main__":
    main(sys.argv[1:])
