"""The stock clients of the Open Inference Protocol work unchanged, and get the answers that Python gets."""

import asyncio
import base64
import contextlib
import io
import re
import runpy
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from starlette.middleware import Middleware

from tests.docs.pages import ROOT
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.serving.asked import asked_to_serve
from tests.serving.protocol.running import running
from vidi.prediction.predictor import Predictor
from vidi.serving.application import application, service_of
from vidi.serving.auth.access import TokenLock, choose_rules
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.engine.models import ServedModel
from vidi.serving.engine.service import Service
from vidi.serving.engine.telemetry import RequestLog
from vidi.serving.settings import Settings

FRAMED = np.stack([draw(kind, size=(16, 16)) for kind in ("disc", "stripes", "square")])
LARGER = np.stack([draw(kind, size=(40, 31)) for kind in ("disc", "stripes")])
TOKEN = "a-token-of-some-length"  # noqa: S105 - opens nothing
PHOTOS = [encoded(draw("disc", size=(50, 40))), encoded(draw("stripes", size=(9, 90)), format="JPEG")]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx").path)


@pytest.fixture(scope="module")
def service(predictor: Predictor) -> Service:
    """It runs the predictor's own session in one thread, so that equal numbers are equal bit for bit."""
    model = ServedModel("tiny", predictor.model.path, predictor, predictor)
    return service_of([model], Settings(workers=1, body_bytes=1_000_000), log=RequestLog(len))


@pytest.fixture(scope="module")
def address(service: Service):
    """A server with the access rules of a server for this machine alone."""
    auth = Middleware(AuthMiddleware, choose_rules(asked_to_serve(), {}), None)
    with running(application(service, auth), service.settings, lifecycle=service.lifecycle) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
def client(address: str):
    with triton.InferenceServerClient(address) as one:
        yield one


def pixels(images=FRAMED, *, binary: bool = True) -> triton.InferInput:
    return triton.InferInput("images", list(images.shape), "UINT8").set_data_from_numpy(images, binary_data=binary)


def files(data=PHOTOS, *, shape: list[int] | None = None) -> triton.InferInput:
    array = np.array(data, object).reshape(shape or [len(data)])
    return triton.InferInput("images", list(array.shape), "BYTES").set_data_from_numpy(array)


def in_shared_memory() -> triton.InferInput:
    return triton.InferInput("images", [1, 1, 1, 3], "UINT8").set_shared_memory("a", 3)


def output(name: str, **options) -> triton.InferRequestedOutput:
    return triton.InferRequestedOutput(name, **options)


def test_health_and_descriptions_are_read(client: triton.InferenceServerClient, predictor: Predictor):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "tiny-run")
    assert client.get_server_metadata()["name"] == "vidi"
    metadata, config = client.get_model_metadata("tiny", "tiny-run"), client.get_model_config("tiny")
    assert metadata["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    assert metadata["versions"] == ["tiny-run"]
    assert {one["name"]: one["shape"] for one in metadata["outputs"]} == {
        "probabilities": [-1, 3],
        "embedding": [-1, 4],
        "evidence": [-1, 3, 16, 16],
        "label": [-1],
    }
    assert (config["max_batch_size"], config["input"][0]["data_type"]) == (16, "TYPE_UINT8")
    assert [one["name"] for one in config["output"]] == [one["name"] for one in metadata["outputs"]]
    assert config["parameters"]["model_id"]["string_value"] == predictor.model.model_id


def test_what_is_not_there_is_not_ready_and_its_description_says_why(client: triton.InferenceServerClient):
    assert not client.is_model_ready("other")
    assert not client.is_model_ready("tiny", "other-run")
    with pytest.raises(triton.InferenceServerException, match=r"No model of this name is served\. Name one of: tiny\."):
        client.get_model_metadata("other")
    with pytest.raises(triton.InferenceServerException, match="has another version"):
        client.infer("tiny", [pixels()], model_version="other-run")


@pytest.mark.parametrize("binary_input", [True, False])
@pytest.mark.parametrize("binary_output", [True, False])
def test_framed_pixels_get_the_predictors_numbers_bit_for_bit(client, predictor, binary_input, binary_output):
    names = ("probabilities", "embedding", "evidence")

    answer = client.infer(
        "tiny",
        [pixels(binary=binary_input)],
        outputs=[output(name, binary_data=binary_output) for name in names],
        request_id="a-1",
    )

    expected = predictor.run(FRAMED)
    for name in names:
        assert answer.as_numpy(name).tobytes() == expected[name].tobytes()
        assert answer.as_numpy(name).shape == expected[name].shape
    assert answer.as_numpy("probabilities").tobytes() == predictor.probabilities(list(FRAMED)).tobytes()
    document = answer.get_response()
    assert (document["id"], document["model_name"], document["model_version"]) == ("a-1", "tiny", "tiny-run")


def test_pixels_of_any_size_are_framed_as_the_predictor_does(client, predictor: Predictor):
    answer = client.infer("tiny", [pixels(LARGER)])

    np.testing.assert_allclose(answer.as_numpy("probabilities"), predictor.probabilities(list(LARGER)), atol=1e-6)
    labels = [one.label for one in predictor.predict(list(LARGER))]
    assert [one.decode() for one in answer.as_numpy("label")] == labels


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_encoded_files_get_the_answers_of_the_command_line(client, predictor, tmp_path: Path, shape):
    paths = [tmp_path / f"{number}" for number in range(len(PHOTOS))]
    for path, data in zip(paths, PHOTOS, strict=True):
        path.write_bytes(data)

    answer = client.infer("tiny", [files(shape=shape)])

    expected = [one.prediction for one in predictor.predict_files(paths)]
    np.testing.assert_allclose(answer.as_numpy("probabilities"), [one.probabilities for one in expected], atol=1e-6)
    assert [one.decode() for one in answer.as_numpy("label")] == [one.label for one in expected]


def test_files_within_json_are_base64(address: str, client: triton.InferenceServerClient):
    words = [base64.b64encode(data).decode() for data in PHOTOS]
    sent = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [2], "data": words}], "id": "x"}

    answer = httpx.post(f"http://{address}/v2/models/tiny/infer", json=sent)

    assert answer.headers["content-type"] == "application/json"
    outputs = {one["name"]: one for one in answer.json()["outputs"]}
    in_binary = client.infer("tiny", [files()])
    assert outputs["label"]["data"] == [one.decode() for one in in_binary.as_numpy("label")]
    found = np.array(outputs["probabilities"]["data"], np.float32).reshape(outputs["probabilities"]["shape"])
    assert found.tobytes() == in_binary.as_numpy("probabilities").tobytes()


def test_classes_can_be_asked_for_by_rank(client: triton.InferenceServerClient, predictor: Predictor):
    answer = client.infer("tiny", [pixels()], outputs=[output("probabilities", class_count=2)])

    ranked = answer.as_numpy("probabilities")
    assert ranked.shape == (3, 2)
    for row, prediction in zip(ranked, predictor.predict(list(FRAMED)), strict=True):
        assert [one.decode().split(":", 2)[2] for one in row] == [name for name, _ in prediction.top(2)]
        assert [np.float32(one.decode().split(":")[0]) for one in row] == [value for _, value in prediction.top(2)]


def test_parameters_of_the_request_come_back_beside_the_model_id(client, predictor: Predictor):
    answer = client.infer("tiny", [pixels()], parameters={"camera": "north", "try": 2})

    expected = {"camera": "north", "try": 2, "model_id": predictor.model.model_id}
    assert answer.get_response()["parameters"] == expected


def test_a_request_that_does_not_wait_is_answered_too(address: str, predictor: Predictor):
    with triton.InferenceServerClient(address, concurrency=4) as client:
        waiting = [client.async_infer("tiny", [pixels(FRAMED[index : index + 1])]) for index in range(3)]
        rows = [one.get_result().as_numpy("probabilities") for one in waiting]

    np.testing.assert_allclose(np.concatenate(rows), predictor.probabilities(list(FRAMED)), atol=1e-6)


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.load_model("tiny"),
        lambda client: client.load_model("tiny", config="{}", files={"file:1/model.onnx": b""}),
        lambda client: client.unload_model("tiny"),
        lambda client: client.get_system_shared_memory_status(),
        lambda client: client.register_system_shared_memory("a", "/a", 8),
        lambda client: client.unregister_system_shared_memory(),
        lambda client: client.get_cuda_shared_memory_status("a"),
        lambda client: client.unregister_cuda_shared_memory("a"),
        lambda client: client.get_trace_settings(),
        lambda client: client.update_trace_settings("tiny", {"trace_level": "OFF"}),
        lambda client: client.get_log_settings(),
        lambda client: client.update_log_settings({"log_info": True}),
    ],
)
def test_what_is_not_offered_is_refused_with_a_sentence(client: triton.InferenceServerClient, ask):
    with pytest.raises(
        triton.InferenceServerException, match=r"not offered|not loaded|not unloaded|is set where"
    ) as no:
        ask(client)

    assert no.value.status() == "501"


@pytest.mark.parametrize(
    ("status", "said", "request_"),
    [
        ("400", "has no output 'logits'", {"outputs": [output("logits")]}),
        ("400", "asked for of 'label'", {"outputs": [output("label", class_count=1)]}),
        ("400", "Shared memory is not offered", {"inputs": [in_shared_memory()]}),
        ("415", "compressed", {"request_compression_algorithm": "gzip"}),
        ("415", "compressed", {"request_compression_algorithm": "deflate"}),
        ("422", r"images\[1\]: It looks like text", {"inputs": [files([PHOTOS[0], b"no image", PHOTOS[1]])]}),
        ("422", r"images\[0\]: .* Nor can 1 others be used", {"inputs": [files([b"", b"no image"])]}),
        ("422", "at most 16", {"inputs": [pixels(np.zeros((17, 1, 1, 3), np.uint8))]}),
        ("413", "1,000,000", {"inputs": [pixels(np.zeros((1, 600, 600, 3), np.uint8))]}),
    ],
)
def test_a_refusal_is_an_exception_with_status_and_reason(client: triton.InferenceServerClient, status, said, request_):
    with pytest.raises(triton.InferenceServerException, match=said) as refusal:
        client.infer("tiny", **{"inputs": [pixels()], **request_})

    assert refusal.value.status() == status


def test_a_token_is_asked_for_and_sent_by_the_stock_client(predictor: Predictor):
    service = service_of(
        [ServedModel("tiny", predictor.model.path, predictor, predictor)], Settings(workers=1), log=RequestLog(len)
    )
    auth = Middleware(AuthMiddleware, choose_rules(asked_to_serve(), {"VIDI_TOKEN": TOKEN}), TokenLock(TOKEN))
    with (
        running(application(service, auth), lifecycle=service.lifecycle) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        with pytest.raises(triton.InferenceServerException, match="token") as refusal:
            client.infer("tiny", [pixels()])
        answer = client.infer("tiny", [pixels()], headers={"Authorization": f"Bearer {TOKEN}"})

    assert refusal.value.status() == "401"
    assert answer.as_numpy("probabilities").shape == (3, 3)


def test_a_refusal_is_a_problem_document_that_also_has_the_member_error(address: str):
    sent = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [2], "data": ["", "aGVsbG8="]}]}

    answer = httpx.post(f"http://{address}/v2/models/tiny/infer", json=sent)

    document = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (document["status"], document["code"]) == (422, "unusable-image")
    assert document["error"] == f"{document['detail']} {document['remedy']}"
    assert [(one["index"], one["code"]) for one in document["images"]] == [(0, "empty"), (1, "not-an-image")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/", 404),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/tiny/", 404),
        ("GET", "/v2/models/%2e%2e%2fetc", 404),
        ("GET", "/v2/models/a%00b", 404),
        ("POST", "/v2/models/tiny", 405),
        ("DELETE", "/v2", 405),
        ("GET", "/v2/models/tiny/infer", 405),
        ("POST", "/v2/repository/index", 501),
        ("GET", "/v2/models/stats", 501),
        ("GET", "/v2/models/tiny/stats", 501),
        ("PUT", "/v2/logging", 501),
    ],
)
def test_every_path_below_v2_is_answered_in_the_protocols_form(address: str, method, path, status):
    answer = httpx.request(method, f"http://{address}{path}")

    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("Inference-Header-Content-Length", "9999")], b"{}"),
        ([("Inference-Header-Content-Length", "-1")], b"{}"),
        ([("Inference-Header-Content-Length", "2")] * 2, b"{}"),
        ([("Inference-Header-Content-Length", "0")], b"\xff\xd8\xff"),
        ([], b""),
        ([], b'{"inputs": NaN}'),
    ],
)
def test_bodies_that_lie_are_refused(address: str, headers, body):
    answer = httpx.post(f"http://{address}/v2/models/tiny/infer", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


def test_the_asyncio_client_works_unchanged(address: str, predictor: Predictor):
    import tritonclient.http.aio as triton_aio  # aiohttp takes a quarter of a second

    async def ask() -> None:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("tiny")
            assert (await client.get_server_metadata())["name"] == "vidi"
            assert (await client.get_model_metadata("tiny"))["name"] == "tiny"
            assert (await client.get_model_config("tiny"))["max_batch_size"] == 16
            answers = await asyncio.gather(
                client.infer("tiny", [pixels()], outputs=[output("probabilities")]),
                client.infer("tiny", [pixels(binary=False)], outputs=[output("probabilities", binary_data=False)]),
                client.infer("tiny", [files()]),
            )
            rows = [answer.as_numpy("probabilities") for answer in answers]
            assert rows[0].tobytes() == rows[1].tobytes() == predictor.probabilities(list(FRAMED)).tobytes()
            assert rows[2].shape == (2, 3)
            for refused in (client.load_model("tiny"), client.infer("other", [pixels()])):
                with pytest.raises(triton.InferenceServerException, match=r"not loaded|No model of this name"):
                    await refused
            with pytest.raises(triton.InferenceServerException, match="compressed"):
                await client.infer("tiny", [pixels()], request_compression_algorithm="gzip")

    asyncio.run(ask())


def test_the_pages_example_prints_the_predictors_answer(address: str, predictor: Predictor, tmp_path: Path):
    page = (ROOT / "docs" / "how-to" / "serve.md").read_text("utf-8").partition("## Open Inference Protocol")[2]
    examples = "".join(re.findall(r"^```py\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE))
    (tmp_path / "image.jpg").write_bytes(PHOTOS[1])
    program = tmp_path / "example.py"
    program.write_text(examples.replace("localhost:8000", address).replace('"photos"', '"tiny"'), "utf-8")

    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(program))

    (answer,) = predictor.predict_files(tmp_path / "image.jpg")
    names = [name for name, _ in answer.prediction.top(3)]
    first, *ranked = printed.getvalue().splitlines()
    assert first.startswith(f"{answer.prediction.label} [")
    assert [line.split(":", 2)[2] for line in ranked] == names


def test_a_server_that_does_not_stand_yet_is_live_but_not_ready(predictor: Predictor):
    service = service_of(
        [ServedModel("tiny", predictor.model.path, predictor, predictor)], Settings(workers=1), log=RequestLog(len)
    )
    transport = httpx.ASGITransport(application(service))

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            paths = ("/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready")
            return [await client.get(path) for path in paths]

    answers = asyncio.run(ask())

    assert [answer.status_code for answer in answers] == [200, 503, 503]
    assert all(answer.headers["retry-after"] and answer.json()["error"] for answer in answers[1:])
