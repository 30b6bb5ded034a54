"""A server with a log: what it answered is in the log, and answers do not depend on it."""

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.draw import draw, encoded
from tests.log.made import tiny_with_reference
from tests.log.test_writer import Told
from tests.serving.asked import Client, asked
from vidi.log.records import LogUnavailableError
from vidi.log.store import PredictionLog
from vidi.log.writer import LogWriter, Retention
from vidi.prediction.predictor import Predictor
from vidi.serving.application import application, service_of
from vidi.serving.engine.models import open_served
from vidi.serving.engine.recording import Recorder
from vidi.serving.settings import Settings

IMAGES = [encoded(draw(kind), format=format) for kind, format in (("disc", "PNG"), ("stripes", "JPEG"))]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_with_reference(tmp_path_factory.mktemp("model") / "tiny.onnx").path


@pytest.fixture(scope="module")
def served(model: Path):
    return open_served("tiny", model)


def logging_client(served, log, retention=None):
    service = service_of([served], Settings(workers=1))
    writer = LogWriter(log, retention=retention, retry_seconds=0.05)
    service.recorder = Recorder(writer)
    return writer, asked(application(service))


def test_a_prediction_is_in_the_log_as_it_was_answered(served, model: Path, tmp_path: Path):
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        writer, made = logging_client(served, log)
        with writer, made as client:
            answer = client.post("/v1/predict", files=[("image", ("a", one)) for one in (*IMAGES, b"none")]).json()
        rows = [row for _, row in log.predictions()]

    known = list(Predictor.load(model).predict_files(_written(tmp_path), embedding=True, statistics=True))
    projection = Predictor.load(model).metadata.drift_reference.images.embeddings.projection()
    assert [row.digest for row in rows] == [digest_of(one) for one in (*IMAGES, b"none")]
    assert [row.error for row in rows] == [None, None, "not-an-image"]
    for row, told, other in zip(rows[:2], answer["predictions"], known, strict=False):
        assert (row.label, row.verdict, list(row.candidates)) == (told["label"], told["verdict"], told["candidates"])
        assert row.probabilities.tolist() == pytest.approx([*told["probabilities"].values()], abs=1e-6)
        assert row.statistics == other.statistics
        np.testing.assert_allclose(row.embedding, projection.place(other.embedding[None])[0], atol=1e-5)
    assert (rows[0].source, rows[0].model.name, rows[0].model.model_id) == ("serve", "tiny", served.model_id)


def _written(folder: Path) -> list[Path]:
    paths = [folder / "0.png", folder / "1.jpg"]
    for path, data in zip(paths, IMAGES, strict=True):
        path.write_bytes(data)
    return paths


def test_every_way_of_asking_is_logged(served):
    log = Told()
    writer, made = logging_client(served, log)
    pixels = np.full((1, 16, 16, 3), 7, np.uint8)
    encoded_files = {"name": "images", "datatype": "BYTES", "shape": [1]}
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 16, 16, 3], "data": pixels.ravel().tolist()}
    with writer, made as client:
        one = client.post("/v1/predict", content=b"none", headers={"Content-Type": "image/png"})
        client.post("/v1/predict", json={"images": [base64.b64encode(IMAGES[0]).decode()]})
        arrays = client.post("/v2/models/tiny/infer", json={"inputs": [tensor], "outputs": [{"name": "label"}]})
        assert _infer(client, encoded_files).status_code == 200

    assert (one.status_code, arrays.status_code) == (422, 200)
    assert [output["name"] for output in arrays.json()["outputs"]] == ["label"]
    assert [row.digest for row in log.rows] == [
        digest_of(b"none"),
        digest_of(IMAGES[0]),
        digest_of(pixels.tobytes()),
        digest_of(IMAGES[1]),
    ]
    assert [row.statistics is None for row in log.rows] == [True, False, False, False]


def _infer(client: Client, described: dict[str, object]):
    given = {**described, "data": [base64.b64encode(IMAGES[1]).decode()], "parameters": {"content_type": "base64"}}
    return client.post("/v2/models/tiny/infer", json={"inputs": [given]})


def test_images_are_kept_only_where_that_was_asked_for(served):
    kept = []
    for retention in (None, Retention()):
        log = Told()
        writer, made = logging_client(served, log, retention)
        with writer, made as client:
            client.post("/v1/predict", files=[("image", ("a", one)) for one in (IMAGES[0], b"none")])
        kept.append([(digest, data) for digest, data, _ in log.images])

    assert kept == [[], [(digest_of(IMAGES[0]), IMAGES[0])]]


def test_a_log_that_is_lost_is_told_and_answers_go_on(served):
    log = Told(*[LogUnavailableError("lost", "the log is gone", "look")] * 99)
    writer, made = logging_client(served, log)
    with made as client, writer:
        for _ in range(3):
            assert client.post("/v1/predict", content=IMAGES[0], headers={"Content-Type": "image/png"}).is_success
        log.wait_for_tries(2)
        ready, metrics = client.get("/readyz"), client.get("/metrics").text
        log.failures.clear()

    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert (ready.json()["log"]["state"], ready.json()["log"]["why"]) == ("lost", "the log is gone")
    assert 'vidi_log_state{state="lost"} 1.0' in metrics
    assert 'vidi_log_state{state="ok"} 0.0' in metrics
    assert "vidi_log_predictions_waiting 3.0" in metrics


def test_without_a_log_nothing_is_said_of_one(served):
    with asked(application(service_of([served], Settings(workers=1)))) as client:
        assert "log" not in client.get("/readyz").json()
        assert "vidi_log" not in client.get("/metrics").text


def test_a_model_whose_reference_holds_no_embeddings_is_logged_without(served, tmp_path: Path):
    from tests.model_file.tiny import tiny_model

    plain = open_served("plain", tiny_model(tmp_path / "plain.onnx").path)
    recorder = Recorder(LogWriter(Told()))

    assert recorder.outputs(plain) == ("probabilities",)
    assert recorder.outputs(replace(served, name="plain")) == ("probabilities", "embedding")
