"""How many files of the source one image passes through on its way to the answer, by a predictor and by a server."""

import http.client
import io
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.middleware import Middleware
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.serving.asked import asked_to_serve
from tools.measure_house import SOURCE

from vidi.images.decode import DecodeJob, read_one
from vidi.prediction.predictor import Predictor
from vidi.serving.application import application, service_of
from vidi.serving.auth.access import open_access
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.engine.models import open_served
from vidi.serving.engine.telemetry import LineWriter, RequestLog
from vidi.serving.protocol.listen import Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.settings import Settings

PHOTO = encoded(draw("disc", size=(300, 400)), format="JPEG")
CLOCK = "serving/protocol/server.py"  # looks at every connection now and then, whatever is asked


@contextmanager
def entered() -> Iterator[set[str]]:
    """The source's files of which a function is called meanwhile, in this thread and in those that begin meanwhile."""
    found: set[str] = set()

    def look(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(f"{SOURCE}/"):
            found.add(frame.f_code.co_filename.removeprefix(f"{SOURCE}/"))

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "model.onnx").path


def test_an_image_passes_through_twelve_files_to_its_answer(model: Path, tmp_path: Path):
    predictor, photo = Predictor.load(model), tmp_path / "photo.jpg"
    photo.write_bytes(PHOTO)

    with entered() as files:
        (answer,) = predictor.predict_files(photo)

    assert answer.prediction is not None
    assert len(files) <= 12, "\n".join(sorted(files))


def test_an_image_passes_through_twenty_five_files_of_the_server(model: Path):
    access = open_access(asked_to_serve(port=0), {}, datetime.now(UTC))
    lines = LineWriter(io.StringIO())
    service = service_of([open_served("model", model)], Settings(workers=1), log=RequestLog(lines.write))
    app = application(service, Middleware(AuthMiddleware, access.rules, access.lock))
    started, places = threading.Event(), []

    def tell(listening: Listening) -> None:
        places.append(listening.addresses[0])
        started.set()

    given: Mapping[str, object] = {"listen": access.listen, "lifecycle": service.lifecycle, "ready": tell}
    with entered() as files, lines:
        server = threading.Thread(target=run_server, args=(app, service.settings), kwargs=given)
        server.start()
        assert started.wait(60)
        connection = http.client.HTTPConnection(*places[0], timeout=60)
        for _ in range(2):  # the first one finds nothing prepared
            files.clear()
            connection.request("POST", "/v1/predict", PHOTO, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            answer.read()
        passed = {*files} - {CLOCK}
        connection.close()
        service.lifecycle.stop()
        server.join(60)
    with entered() as decoding:  # what the worker process does
        read_one(PHOTO, DecodeJob(framing=service.models.find("model").metadata.framing))

    assert answer.status == 200
    passed |= {*decoding, "images/workers/inside.py"}
    assert len(passed) <= 25, "\n".join(sorted(passed))
