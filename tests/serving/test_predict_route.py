"""`POST /v1/predict`: every form of request gets the document of `vidi predict --json`."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.command import vidi
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.serving.asked import Client, asked
from vidi.serving import app
from vidi.serving.application import application, service_of
from vidi.serving.engine.models import name_models, open_served
from vidi.serving.engine.telemetry import RequestLog
from vidi.serving.settings import Settings

IMAGES = [
    encoded(draw(kind, size=size), format=format)
    for kind, size, format in (("disc", (16, 16), "PNG"), ("stripes", (40, 30), "JPEG"), ("square", (90, 17), "PNG"))
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx").path


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def client(model: Path, lines: list[str]):
    service = service_of([open_served("tiny", model)], log=RequestLog(lines.append))
    with asked(application(service)) as one:
        yield one


def test_the_document_is_that_of_the_command(client: Client, model: Path, tmp_path: Path):
    paths = [tmp_path / f"{number}.png" for number in range(len(IMAGES))]
    for path, data in zip(paths, IMAGES, strict=True):
        path.write_bytes(data)
    printed = json.loads(vidi("predict", model, *paths, "--json", folder=tmp_path).stdout)

    answered = client.post("/v1/predict", files=[("image", (str(path), path.read_bytes())) for path in paths]).json()

    assert {**printed["model"], "name": "tiny"} == answered["model"]
    assert printed["account"] == answered["account"]
    for one, other in zip(printed["predictions"], answered["predictions"], strict=True):
        assert one.keys() == other.keys()
        for field in set(one) - {"probability", "probabilities", "notes"}:
            assert one[field] == other[field]
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_one_image_gets_one_answer_in_every_form_of_request(client: Client):
    data = IMAGES[1]
    forms = [
        {"content": data, "headers": {"Content-Type": "image/jpeg"}},
        {"content": data, "headers": {"Content-Type": "application/octet-stream"}},
        {"files": [("image", ("a.jpg", data))]},
        {"json": {"images": [base64.b64encode(data).decode()]}},
    ]

    rows = [client.post("/v1/predict", **form).json()["predictions"][0] for form in forms]

    assert len({json.dumps({**row, "path": ""}) for row in rows}) == 1


def test_a_bad_image_among_others_is_an_error_in_its_row(client: Client):
    sent = [("image", ("good.png", IMAGES[0])), ("image", ("bad.png", b"no image")), ("image", ("also.png", IMAGES[2]))]

    document = client.post("/v1/predict?top=1", files=sent).json()

    assert [row["path"] for row in document["predictions"]] == ["good.png", "bad.png", "also.png"]
    assert [row["error"] and row["error"]["code"] for row in document["predictions"]] == [None, "not-an-image", None]
    assert document["account"]["used"] == 2


@pytest.mark.parametrize(
    ("status", "code", "request_"),
    [
        (422, "unusable-image", {"content": b"no image", "headers": {"Content-Type": "image/png"}}),
        (422, "invalid-input", {"content": b"", "headers": {"Content-Type": "image/png"}}),
        (415, "unsupported-media-type", {"content": b"a=b", "headers": {"Content-Type": "text/plain"}}),
        (415, "unsupported-media-type", {"content": b"a=b"}),
        (415, "unsupported-media-type", {"content": b"", "headers": {"Content-Encoding": "gzip"}}),
        (400, "bad-request", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        (422, "invalid-input", {"json": {"images": ["not base64!"]}}),
        (422, "invalid-input", {"json": {"images": [1]}}),
        (422, "invalid-input", {"json": {"images": []}}),
        (422, "invalid-input", {"json": {"images": ["aGVsbG8="], "url": "http://example.com/a.jpg"}}),
        (422, "invalid-input", {"json": {"images": ["aGVsbG8="] * 17}}),
        (422, "invalid-input", {"files": [("image", ("a", b"x"))] * 17}),
        (422, "invalid-input", {"files": [("other", ("a", b"x"))]}),
        (400, "bad-request", {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}),
        (400, "bad-request", {"content": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}),
        (422, "invalid-input", {"content": IMAGES[0], "params": {"top": "0"}}),
        (422, "invalid-input", {"content": IMAGES[0], "params": {"locate": "perhaps"}}),
        (422, "invalid-input", {"content": IMAGES[0], "params": {"tpo": "1"}}),
        (404, "no-such-model", {"content": IMAGES[0], "params": {"model": "../tiny"}}),
    ],
)
def test_what_cannot_be_answered_is_refused_by_its_code(client: Client, status, code, request_):
    response = client.post("/v1/predict", **request_)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


def test_evidence_and_boxes_come_with_the_fields_of_the_command_line(client: Client, model: Path, tmp_path: Path):
    path = tmp_path / "image.png"
    path.write_bytes(IMAGES[2])
    located = json.loads(vidi("locate", model, path, "--least", "0.2", "--json", folder=tmp_path).stdout)["images"][0]
    command = vidi("explain", model, path, "--json", "-o", tmp_path / "pages", folder=tmp_path)
    regions = json.loads(command.stdout)["explanations"][0]["why"]["regions"]

    query = {"locate": "true", "least": "0.2", "explain": "evidence"}
    (row,) = client.post("/v1/predict", params=query, files=[("image", ("image.png", IMAGES[2]))]).json()["predictions"]

    assert (row["size"], row["boxes"]) == (located["size"], located["boxes"])
    assert row["why"]["regions"].keys() == regions.keys()
    for label, rows in regions.items():
        assert np.array(row["why"]["regions"][label]) == pytest.approx(np.array(rows), abs=1e-3)


def test_a_request_leaves_one_line_that_holds_its_trace_and_nothing_of_the_image(client: Client, lines: list[str]):
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    lines.clear()

    client.post("/v1/predict", files=[("image", ("secret.png", IMAGES[0]))], headers={"traceparent": trace})
    client.post("/v1/predict", content=IMAGES[0], headers={"traceparent": "x\x1b[31m"})

    first, second = map(json.loads, lines)
    assert (first["trace"], first["status"], first["route"]) == (trace, 200, "/v1/predict")
    assert second["trace"] is None
    assert "secret" not in lines[0]


def test_the_app_answers_when_it_is_mounted_in_another(model: Path):
    inner = app({"tiny": model})
    with asked(Starlette(routes=[Mount("/vision", inner)])) as client:
        image = {"content": IMAGES[0], "headers": {"Content-Type": "image/png"}}

        statuses = [client.post("/vision/v1/predict", **image).status_code for _ in range(2)]
        counted = 'route="/v1/predict"' in client.get("/vision/metrics").text

    assert statuses == [200, 200]
    assert counted


def test_more_requests_than_slots_are_turned_away_with_a_time_to_come_back(model: Path):
    settings = Settings(in_flight=1)
    with asked(application(service_of([open_served("tiny", model)], settings, log=RequestLog(len)))) as client:
        image = {"content": IMAGES[0], "headers": {"Content-Type": "image/png"}}

        responses = client.together(*[("/v1/predict", image)] * 5)
        after = client.post("/v1/predict", **image)

    statuses = sorted(response.status_code for response in responses)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {200, 503}
    assert 503 in statuses
    assert all(response.headers["retry-after"] for response in responses if response.status_code == 503)
    assert after.status_code == 200


def test_ready_says_which_models_and_workers_stand(client: Client):
    document = client.get("/readyz").json()

    assert document["ready"]
    assert document["models"][0]["name"] == "tiny"
    assert document["workers"]["standing"] == document["workers"]["wanted"]


def test_a_server_that_is_stopping_is_not_ready(model: Path):
    service = service_of([open_served("tiny", model)])

    service.lifecycle.stop()

    is_ready, document = service.readiness()
    assert not is_ready
    assert "stopping" in document["reasons"]


def test_counters_name_the_model_and_nothing_that_a_client_wrote(client: Client):
    client.get("/secret-path")

    text = client.get("/metrics").text

    assert 'vidi_model_info{model_id="' in text
    assert "secret" not in text
    assert 'vidi_images_total{model="tiny"' in text


@pytest.mark.parametrize("words", [["a b=x"], ["cats=a", "cats=b"], ["a/b!.onnx"]])
def test_odd_and_doubled_names_of_models_are_refused(words):
    with pytest.raises(Exception, match="model"):
        name_models(words)
