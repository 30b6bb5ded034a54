"""`POST /v1/feedback` and `/v1/answers`: committed before they are thanked for, and read strictly."""

import base64
import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from PIL import Image
from starlette.routing import Route

from tests.draw import draw, encoded
from tests.log.made import digest, tiny_with_reference
from tests.serving.asked import Client, asked
from tests.serving.test_documents import check_described
from vidi.log.records import LoggedPrediction, LogUnavailableError
from vidi.log.store import PredictionLog
from vidi.log.writer import FeedbackWriter, LogWriter, Retention
from vidi.serving.application import application, service_of
from vidi.serving.engine.models import ServedModel, open_served
from vidi.serving.engine.recording import Recorder
from vidi.serving.engine.service import Service
from vidi.serving.problems import Problem
from vidi.serving.routes.feedback import Allowance, source_of
from vidi.serving.settings import Settings

IMAGE = encoded(draw("disc"), format="PNG")
OF_IMAGE = hashlib.sha256(IMAGE).hexdigest()
QUALITIES = {"brightness": 1.5, "contrast": 2, "saturation": 3, "sharpness": 4, "side": 32, "aspect": 1}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return open_served("tiny", tiny_with_reference(tmp_path_factory.mktemp("model") / "tiny.onnx").path)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log.sqlite"


@pytest.fixture(scope="module")
def writer(path: Path) -> Iterator[LogWriter]:
    with PredictionLog.open(str(path)) as log, LogWriter(log, retention=Retention()) as writer:
        yield writer


@pytest.fixture(scope="module")
def service(served: ServedModel, path: Path, writer: LogWriter) -> Iterator[Service]:
    with PredictionLog.open(str(path)) as log, FeedbackWriter(log) as feedback:
        made = service_of([served], Settings(workers=1))
        made.recorder = Recorder(writer, feedback)
        yield made


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with asked(application(service)) as one:
        yield one


def rows_of(path: Path) -> list[tuple]:
    """What stands in the file, read as any other program would."""
    with closing(sqlite3.connect(path)) as file:
        return file.execute(
            "SELECT digest, kind, labels, source, via, model_id FROM vidi_feedback ORDER BY id"
        ).fetchall()


def test_feedback_is_in_the_file_when_the_answer_comes_and_counts_once(client: Client, path: Path, served: ServedModel):
    before = len(rows_of(path))
    said = {"digest": digest(1), "labels": ["class 1"], "key": "my key"}

    first, again = client.post("/v1/feedback", json=said), client.post("/v1/feedback", json=said)
    other = client.post("/v1/feedback", json={**said, "labels": ["class 2"]})

    assert (first.status_code, first.json()) == (200, {"key": "my key", "new": True})
    assert again.json() == {"key": "my key", "new": False}
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert rows_of(path)[before:] == [(digest(1), "label", '["class 1"]', "local", "server", served.model_id)]


def test_without_a_key_the_same_words_count_once_and_others_count(client: Client, path: Path):
    before = len(rows_of(path))
    sent = [{"none": True}, {"none": True}, {"unclear": True}, {"labels": ["class 0"]}, {"labels": ["class 0"]}]

    news = [client.post("/v1/feedback", json={"digest": digest(2), **one}).json()["new"] for one in sent]

    assert news == [True, False, True, True, False]
    assert [row[1] for row in rows_of(path)[before:]] == ["none", "unclear", "label"]


def test_the_source_is_the_token_and_only_without_one_the_clients_name(client: Client, path: Path):
    before = len(rows_of(path))
    token = {"Authorization": "Bearer a-very-secret-token"}
    for name, headers in (("ann", {}), ("ben", {}), ("ann", token), ("ben", token)):
        said = {"digest": digest(3), "none": True, "client": name, "key": f"{name} {len(headers)}"}
        assert client.post("/v1/feedback", json=said, headers=headers).is_success

    ann, ben, *tokens = [row[3] for row in rows_of(path)[before:]]
    assert len({ann, ben, *tokens}) == 3
    assert tokens[0] == tokens[1] == source_of("Bearer a-very-secret-token", None)
    assert b"a-very-secret-token" not in path.read_bytes() + Path(f"{path}-wal").read_bytes()


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({}, 422, "invalid-input"),
        ({"none": True}, 422, "invalid-input"),
        ({"digest": "abc", "none": True}, 422, "invalid-input"),
        ({"digest": digest(1)}, 422, "invalid-input"),
        ({"digest": digest(1), "none": True, "unclear": True}, 422, "invalid-input"),
        ({"digest": digest(1), "none": False}, 422, "invalid-input"),
        ({"digest": digest(1), "labels": []}, 422, "invalid-input"),
        ({"digest": digest(1), "labels": ["zebra"]}, 422, "invalid-input"),
        ({"digest": digest(1), "labels": ["class 0", "class 1"]}, 422, "invalid-input"),
        ({"digest": digest(1), "labels": "class 0"}, 422, "invalid-input"),
        ({"digest": digest(1), "none": True, "key": ""}, 422, "invalid-input"),
        ({"digest": digest(1), "none": True, "key": "x" * 101}, 422, "invalid-input"),
        ({"digest": digest(1), "none": True, "client": "a\nb"}, 422, "invalid-input"),
        ({"digest": digest(1), "none": True, "wrong": True}, 422, "invalid-input"),
        ({"digest": digest(1), "none": True, "model": "other"}, 404, "no-such-model"),
        ({"digest": digest(1), "none": True, "client": "x" * 70_000}, 413, "body-too-large"),
    ],
)
def test_feedback_that_makes_no_sense_is_refused_and_not_written(client: Client, path: Path, said, status, code):
    before = rows_of(path)

    answered = client.post("/v1/feedback", json=said)

    assert (answered.status_code, answered.json()["code"]) == (status, code)
    assert rows_of(path) == before


def test_a_form_is_not_read_as_feedback(client: Client):
    answered = client.post("/v1/feedback", content=b"{}", headers={"Content-Type": "text/plain"})

    assert answered.status_code == 415


def test_a_source_may_send_so_much_within_an_hour_and_others_go_on():
    now = [0.0]
    allowance = Allowance(2, now=lambda: now[0])
    allowance.spend("ann")
    now[0] = 100.0
    allowance.spend("ann")

    with pytest.raises(Problem) as refused:
        allowance.spend("ann")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "3500")
    allowance.spend("ben")
    now[0] = 3_601.0
    allowance.spend("ann")


@pytest.mark.parametrize(("trouble", "status"), [("locked", 503), ("lost", 503), ("full", 507)])
def test_a_log_that_takes_nothing_is_told_and_nobody_is_thanked(
    served: ServedModel, writer: LogWriter, trouble, status
):
    class Failing:
        def add_all(self, feedback):
            raise LogUnavailableError(trouble, "it does not work", "look")

    service = service_of([served], Settings(workers=1))
    with FeedbackWriter(Failing()) as feedback:
        service.recorder = Recorder(writer, feedback)
        with asked(application(service)) as client:
            answered = client.post("/v1/feedback", json={"digest": digest(1), "none": True})

    assert answered.status_code == status
    assert answered.headers["Retry-After"] == "5"


def test_a_server_without_a_log_takes_no_feedback_and_describes_none(served: ServedModel):
    with asked(application(service_of([served], Settings(workers=1)))) as client:
        assert client.post("/v1/feedback", json={"digest": digest(1), "none": True}).status_code == 404
        assert "/v1/feedback" not in client.get("/openapi.json").json()["paths"]


def logged(path: Path) -> list[LoggedPrediction]:
    with PredictionLog.open(str(path), create=False) as log:
        return [row for _, row in log.predictions() if row.source == "page"]


def wait_until_written(writer: LogWriter, count: int) -> None:
    with writer._changed:
        assert writer._changed.wait_for(lambda: writer.state().written >= count, 30)


def test_answers_of_a_browser_are_logged_with_consent_alone(client: Client, path: Path, writer: LogWriter):
    answer = {"digest": digest(7), "probabilities": [0.2, 0.7, 0.1], "novelty": None, "statistics": QUALITIES}
    count = writer.state().written

    refused = client.post("/v1/answers", json={"answers": [answer]})
    taken = client.post("/v1/answers", json={"consent": True, "answers": [answer]})

    wait_until_written(writer, count + 1)
    (row,) = [row for row in logged(path) if row.digest == digest(7)]
    assert (refused.status_code, taken.status_code, taken.json()) == (422, 202, {"taken": 1})
    assert (row.label, row.probabilities.tolist()) == ("class 1", pytest.approx([0.2, 0.7, 0.1], abs=1e-6))
    assert (row.statistics.brightness, row.embedding) == (1.5, None)


def test_an_image_is_kept_only_when_it_is_sent_along(client: Client, path: Path, writer: LogWriter):
    answer = {"digest": OF_IMAGE, "probabilities": [0.2, 0.7, 0.1]}
    count = writer.state().written
    client.post("/v1/answers", json={"consent": True, "answers": [answer]})
    wait_until_written(writer, count + 1)
    with PredictionLog.open(str(path), create=False) as log:
        assert log.image(OF_IMAGE) is None

    sent = {**answer, "image": base64.b64encode(IMAGE).decode()}
    assert client.post("/v1/answers", json={"consent": True, "answers": [sent]}).status_code == 202
    wait_until_written(writer, count + 2)
    with PredictionLog.open(str(path), create=False) as log:
        assert log.image(OF_IMAGE) == IMAGE
    assert logged(path)[-1].embedding.shape == (4,)  # the server's own


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"probabilities": [0.5, 0.5]}, 422),
        ({"probabilities": [0.9, 0.9, 0.9]}, 422),
        ({"probabilities": [2, -1, 0]}, 422),
        ({"probabilities": [True, False, False]}, 422),
        ({"digest": "abc"}, 422),
        ({"model": "other"}, 404),
        ({"model_id": "other"}, 404),
        ({"statistics": {"brightness": 1}}, 422),
        ({"statistics": {**QUALITIES, "smell": 1}}, 422),
        ({"novelty": "far"}, 422),
        ({"image": "%%%"}, 422),
        ({"image": base64.b64encode(IMAGE).decode()}, 422),
        ({"digest": hashlib.sha256(b"none").hexdigest(), "image": base64.b64encode(b"none").decode()}, 422),
        ({"wrong": 1}, 422),
    ],
)
def test_an_answer_that_no_model_gave_is_refused(client: Client, change, status):
    answer = {"digest": digest(8), "probabilities": [0.2, 0.7, 0.1], **change}

    assert client.post("/v1/answers", json={"consent": True, "answers": [answer]}).status_code == status


def test_images_with_too_many_pixels_together_are_refused(client: Client):
    stream = io.BytesIO()
    Image.new("1", (8_000, 8_000)).save(stream, "PNG")
    text, of_file = base64.b64encode(stream.getvalue()).decode(), hashlib.sha256(stream.getvalue()).hexdigest()
    giant = {"digest": of_file, "probabilities": [0.2, 0.7, 0.1], "image": text}

    response = client.post("/v1/answers", json={"consent": True, "answers": [giant] * 5})

    assert (response.status_code, response.json()["code"]) == (422, "invalid-input")
    assert "320,000,000 pixels" in response.json()["detail"]


def test_a_server_that_keeps_no_images_takes_none(served: ServedModel, service: Service, path: Path):
    with PredictionLog.open(str(path)) as log:
        other = service_of([served], Settings(workers=1))
        other.recorder = Recorder(LogWriter(log), service.recorder.feedback)
        with asked(application(other)) as client:
            answer = {"digest": OF_IMAGE, "probabilities": [0.2, 0.7, 0.1], "image": base64.b64encode(IMAGE).decode()}
            assert client.post("/v1/answers", json={"consent": True, "answers": [answer]}).status_code == 422


def test_what_a_server_with_a_log_answers_is_described(client: Client, service: Service):
    document = client.get("/openapi.json").json()
    routes = {one.path for one in application(service).routes if isinstance(one, Route)}
    example = {
        path: document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for path in ("/v1/feedback", "/v1/answers")
    }

    assert set(example) <= routes & set(document["paths"])
    for path, content in example.items():
        body = json.loads(json.dumps(content["example"]).replace("[0.9, 0.1]", "[0.9, 0.1, 0.0]"))
        jsonschema.Draft202012Validator({**content["schema"], "components": document["components"]}).validate(body)
        answered, refused = client.post(path, json=body), client.post(path, json={})
        check_described(answered.json(), document, path, "post", 200 if path == "/v1/feedback" else 202)
        check_described(refused.json(), document, path, "post", 422)
    check_described(client.get("/readyz").json(), document, "/readyz", "get", 200)


def test_feedback_that_was_waiting_when_a_server_stops_is_committed(tmp_path: Path):
    from tests.log.made import feedback

    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        with FeedbackWriter(log) as writer:
            futures = [writer.submit(replace(feedback(number), key=str(number))) for number in range(300)]

        assert [future.result(0) for future in futures] == ["new"] * 300
        assert [one.key for one in log.feedback()] == [str(number) for number in range(300)]
