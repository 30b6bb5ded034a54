"""The page in Firefox: embedded by a page that sends it an image and hands its answer to the test."""

import contextlib
import functools
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from bench.file_host import Quiet

from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from vidi.export.to_web import has_runtime, write_web
from vidi.images.decode import decode_image
from vidi.prediction.predictor import Predictor

pytestmark = [
    pytest.mark.slow,  # starts a browser
    pytest.mark.integration,  # a second browser: what the page answers is tested in Chromium
]

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
LONGEST = 120  # seconds until an answer
QUIET = {  # a profile that asks nobody but the test
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
}
AROUND = """<!doctype html><iframe src="./?embed" width="600" height="600"></iframe><script type="module">
const image = await (await fetch("disc.png")).blob();
const tell = (said) => fetch("said", { method: "POST", body: JSON.stringify(said) });
addEventListener("message", ({ data, source }) => {
  if (data.vidi === "ready") source.postMessage({ vidi: "classify", id: 1, image }, "*");
  else if (data.vidi) tell(data);
});
</script>"""


class _Told(Quiet):
    """Files, and a place where the page says what it has got."""

    def __init__(self, said: "queue.Queue[dict]", *words: object, directory: str) -> None:
        self._said = said
        super().__init__(*words, directory=directory)

    def do_POST(self) -> None:  # noqa: N802  # as http.server calls it
        """Hand what the page says to the test."""
        self._said.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()


@contextlib.contextmanager
def firefox(url: str, profile: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Firefox without a window and with a profile of its own."""
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in QUIET.items()]
    (profile / "user.js").write_text("\n".join(lines))
    process = subprocess.Popen(
        [str(FIREFOX), "--headless", "--no-remote", "--profile", str(profile), url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.skipif(FIREFOX is None, reason="needs:firefox")
@pytest.mark.skipif(not has_runtime(), reason="needs:onnxruntime-web")
def test_firefox_opens_the_page_and_answers_as_python_does(tmp_path: Path):
    model = tiny_model(tmp_path / "tiny.onnx")
    image = encoded(draw("disc", size=(60, 80)))
    page = tmp_path / "page"
    page.mkdir()
    write_web(page, [("tiny", model)])
    (page / "around.html").write_text(AROUND, "utf-8")
    (page / "disc.png").write_bytes(image)
    said: queue.Queue[dict] = queue.Queue()

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Told, said, directory=str(page))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with firefox(f"http://127.0.0.1:{server.server_address[1]}/around.html", tmp_path / "profile"):
                answer = said.get(timeout=LONGEST)["answer"]
        finally:
            server.shutdown()
            thread.join()

    expected = Predictor.load(model.path).predict([decode_image(image).image])[0]
    assert answer["label"] == expected.label
    assert answer["probabilities"] == pytest.approx(expected.probabilities.tolist(), abs=0.01)
