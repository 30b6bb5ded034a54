"""The OpenAPI document says what the server does."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.routing import Route

from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.serving.asked import Client, asked
from vidi.images.statistics import QUALITIES
from vidi.serving.application import application, service_of
from vidi.serving.bodies import read_json
from vidi.serving.engine.models import open_served
from vidi.serving.engine.recording import SentAnswers
from vidi.serving.engine.telemetry import OTHER, RequestLog, route_of
from vidi.serving.problems import PROBLEMS, Problem
from vidi.serving.routes.feedback import read_feedback
from vidi.serving.routes.inference import NOT_OFFERED
from vidi.serving.routes.inference_request import InferenceRequest
from vidi.serving.routes.openapi import MODEL_ROUTES, PIXEL, openapi_document
from vidi.serving.routes.page import public_paths
from vidi.serving.routes.predict import Images, read_query
from vidi.serving.settings import Settings

IMAGE = encoded(draw("disc", size=(16, 16)), format="PNG")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx").path


@pytest.fixture(scope="module")
def client(model: Path) -> Iterator[Client]:
    with asked(application(service_of([open_served("tiny", model)], log=RequestLog(len)))) as one:
        yield one


@pytest.fixture(scope="module")
def document(client: Client) -> dict:
    return client.get("/openapi.json").json()


def closed(schema: object) -> object:
    """A schema that allows no member that it does not name: so what is not described cannot be in an answer."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    return {"additionalProperties": False, **inner} if "required" in inner and "properties" in inner else inner


def check_described(answer: object, document: dict, path: str, method: str, status: int) -> None:
    """Hold an answer to what the document says of it."""
    (content,) = document["paths"][path][method]["responses"][str(status)]["content"].values()
    whole = {**content["schema"], "components": closed(document["components"])}
    jsonschema.Draft202012Validator(whole).validate(answer)


@pytest.mark.slow  # the check is prepared anew for each version of OpenAPI
def test_the_document_is_valid_openapi(document: dict):
    import schemathesis  # takes half a second

    schemathesis.openapi.from_dict(document).validate()
    nameless = {name: part for name, part in document.items() if name != "info"}
    with pytest.raises(ValueError, match='"info" is a required property'):  # the check would notice
        schemathesis.openapi.from_dict(nameless).validate()


def test_every_route_is_described_and_nothing_else(model: Path, document: dict):
    app = application(service_of([open_served("tiny", model)]))
    routes = {(one.path, name.lower()) for one in app.routes if isinstance(one, Route) for name in one.methods or ()}
    described = {(path, method) for path, operations in document["paths"].items() for method in operations}
    left_out = {*NOT_OFFERED, *public_paths(), "/models.json"}
    answering = {(path, method) for path, method in routes if method != "head" and path not in left_out}

    assert {(path, method) for path, method in answering if not path.startswith("/models/")} == described


def test_every_described_path_is_counted_under_a_name_of_its_own(document: dict):
    assert [path for path in document["paths"] if route_of(path) == OTHER] == []


def test_operations_have_names_of_their_own_and_known_tags(document: dict):
    operations = [one for operations in document["paths"].values() for one in operations.values()]
    tags = {tag["name"] for tag in document["tags"]}

    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    assert {tag for one in operations for tag in one["tags"]} == tags


@pytest.mark.parametrize("query", ["", "?top=2", "?locate=true&by=evidence&least=0.2", "?explain=evidence"])
def test_predictions_hold_nothing_but_what_is_described(client: Client, document: dict, query: str):
    files = [("image", ("a.png", IMAGE)), ("image", ("b.png", b"no image"))]

    answered = client.post(f"/v1/predict{query}", files=files)

    check_described(answered.json(), document, "/v1/predict", "post", 200)


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/readyz"])
def test_answers_of_the_other_routes_hold_nothing_but_what_is_described(client: Client, document: dict, path: str):
    check_described(client.get(path).json(), document, path, "get", 200)


@pytest.mark.parametrize("path", [*(route.end for route in MODEL_ROUTES)])
@pytest.mark.parametrize("start", ["/v2/models/{name}", "/v2/models/{name}/versions/{version}"])
def test_answers_about_a_model_hold_nothing_but_what_is_described(
    client: Client, document: dict, start: str, path: str
):
    asked_path = f"{start}{path}".format(name="tiny", version="tiny-run")

    check_described(client.get(asked_path).json(), document, f"{start}{path}", "get", 200)


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", "/v2/health/ready"])
def test_answers_about_the_protocol_hold_nothing_but_what_is_described(client: Client, document: dict, path: str):
    check_described(client.get(path).json(), document, path, "get", 200)


def test_the_example_of_the_protocol_is_answered_as_described(client: Client, document: dict):
    path = "/v2/models/{name}/infer"
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    bad = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [1], "data": ["aGVsbG8="]}]}
    jsonschema.Draft202012Validator({**content["schema"], "components": document["components"]}).validate(bad)

    answered = client.post("/v2/models/tiny/infer", json=content["example"])
    refused = client.post("/v2/models/tiny/infer", json=bad)

    described = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    whole = {**described, "components": closed(document["components"])}
    jsonschema.Draft202012Validator(whole).validate(answered.json())
    check_described(refused.json(), document, path, "post", 422)


@pytest.mark.parametrize(
    "request_",
    [
        {"content": b"no image", "headers": {"Content-Type": "image/png"}},
        {"content": b"a", "headers": {"Content-Type": "text/plain"}},
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        {"content": IMAGE, "params": {"model": "other"}},
        {"content": b"", "headers": {"Content-Length": "99999999999"}},
    ],
)
def test_refusals_hold_nothing_but_what_is_described(client: Client, document: dict, request_):
    answered = client.post("/v1/predict", **request_)

    check_described(answered.json(), document, "/v1/predict", "post", answered.status_code)


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_is_the_document_that_is_described(document: dict, code: str):
    whole = {"$ref": "#/components/schemas/Problem", "components": closed(document["components"])}

    errors = jsonschema.Draft202012Validator(whole).iter_errors(Problem(code, "x").as_json())

    assert list(errors) == []


def test_a_description_that_lacks_a_member_is_noticed(client: Client, document: dict):
    answer = client.get("/readyz").json()
    lacking = json.loads(json.dumps(document))
    del lacking["components"]["schemas"]["Readiness"]["properties"]["reasons"]
    lacking["components"]["schemas"]["Readiness"]["required"].remove("reasons")

    with pytest.raises(jsonschema.ValidationError, match="reasons"):
        check_described(answer, lacking, "/readyz", "get", 200)


def test_the_example_in_the_document_is_an_image(client: Client):
    assert client.post("/v1/predict", json={"images": [PIXEL]}).json()["account"]["used"] == 1


def test_a_mounted_app_names_the_place_where_it_is_mounted():
    document = openapi_document(["a"], Settings(), version="1", root="/vision")

    assert document["servers"] == [{"url": "/vision"}]


DIGEST = "0" * 64
NAMES = {"model": "a", "key": "a", "client": "a"}
FILE = {"name": "images", "datatype": "BYTES", "shape": [1, 1], "data": [["aaaa"]], "parameters": {"a": 1}}
PIXELS = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [[[[0, 1, 255]]]]}
STATISTICS = dict.fromkeys(QUALITIES, 0.5)
ANSWER = {"digest": DIGEST, "probabilities": [0.5, 1], "novelty": 2, "statistics": STATISTICS, "image": ""}
BODIES = {
    "Images": (partial(read_json, kind=Images), [{"images": ["aaaa"]}]),
    "SentFeedback": (read_feedback, [{"digest": DIGEST, "labels": ["a"], **NAMES}, {"digest": DIGEST, "none": True}]),
    "SentAnswers": (partial(read_json, kind=SentAnswers), [{"consent": True, "answers": [ANSWER]}]),
    "InferenceRequest": (
        partial(read_json, kind=InferenceRequest),
        [{"inputs": [FILE], "id": "a", "outputs": [{"name": "a"}]}, {"inputs": [PIXELS], "parameters": {"a": True}}],
    ),
}
NUMBERS = (-1, 0, 1, 256, 2**31, 2**70, 0.5, 2e9 + 0.5)  # 1.0 is an integer for JSON Schema, and is not read as one
ODD_VALUES = (None, True, False, *NUMBERS, "", "aaaa", "aaaa" * 600, [], ["aaaa"], {}, {"a": 1})


def changed(document: object) -> Iterator[object]:
    """The document with one odd value in each place, and with each part left out, doubled, or beside another."""
    yield from ODD_VALUES
    if isinstance(document, dict):
        yield {**document, "other": 1}
        for name, value in document.items():
            yield {other: kept for other, kept in document.items() if other != name}
            yield from ({**document, name: one} for one in changed(value))
    if isinstance(document, list):
        yield [*document, *document]
        for place, value in enumerate(document):
            yield from ([*document[:place], one, *document[place + 1 :]] for one in changed(value))


def is_taken(read: Callable[[Any], object], given: object) -> bool:
    """Whether something is read; otherwise it is refused for what it is."""
    try:
        read(given)
    except Problem as problem:
        return problem.code != "invalid-input"
    return True


@pytest.mark.slow  # tries a thousand bodies
@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_where_the_document_allows_it_and_nowhere_else(name: str):
    read, good = BODIES[name]
    components = openapi_document(["a"], Settings(), version="1", logs=True)["components"]
    validator = jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})
    bodies = [one for document in good for one in (document, *changed(document))]

    assert [one for one in bodies if is_taken(read, json.dumps(one).encode()) != validator.is_valid(one)] == []
    assert all(validator.is_valid(document) for document in good)


TEXTS = ("x", "", "windows", "evidence", "True", '"x"')
VALUES = (*TEXTS, "true", "false", "null", "0", "1", "-1", "100001", "0.5", "1.5")


def test_a_query_is_read_where_the_document_allows_it_and_nowhere_else():
    parameters = openapi_document(["x"], Settings(), version="1")["paths"]["/v1/predict"]["post"]["parameters"]
    disagreed = set()
    for parameter, value in itertools.product(parameters, VALUES):
        meant = [value] if value in TEXTS else [value, json.loads(value)]
        is_allowed = any(jsonschema.Draft202012Validator(parameter["schema"]).is_valid(one) for one in meant)
        if is_taken(read_query, [(parameter["name"], value)]) != is_allowed:
            disagreed.add(parameter["name"])

    assert disagreed == {"model"}  # one of another name is read, and then not found
