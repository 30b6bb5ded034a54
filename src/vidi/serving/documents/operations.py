"""The operations of the server's own interface, as OpenAPI describes them."""

from collections.abc import Mapping, Sequence
from typing import Final

from vidi.images.limits import MEGABYTE
from vidi.model_file.values import Json
from vidi.serving.asked import Asked
from vidi.serving.documents.schemas import (
    OF_ANSWERS,
    OF_FEEDBACK,
    TEXT,
    Schema,
    answers_operation,
    declared,
    feedback_operation,
    list_of,
    one_of,
    record,
    reference,
)
from vidi.serving.problems import MEDIA_TYPE, PROBLEMS
from vidi.serving.settings import Settings

PREDICTIONS, STATE, FEEDBACK = "Predictions", "State", "Feedback"
TAGS: Final[Mapping[str, str]] = {
    PREDICTIONS: "Images in, answers out.",
    STATE: "For probes, monitoring and programs that read descriptions.",
}
LOG_TAGS: Final[Mapping[str, str]] = {FEEDBACK: "What people say of answers, for the prediction log."}
EVERYWHERE: Final = ("unauthorized", "origin-refused", "host-refused")  # wherever access is checked
OF_PREDICT: Final = (
    "bad-request",
    "no-such-model",
    "too-slow-request",
    "body-too-large",
    "unsupported-media-type",
    "unusable-image",
    "invalid-input",
    "headers-too-large",
    "internal-error",
    "busy",
    "not-ready",
    "too-slow-answer",
)
PIXEL: Final = (  # a PNG file of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGMIaFAAAAIUAPFhuDzpAAAAAElFTkSuQmCC"
)
_MODELS: Final = record({"models": list_of(reference("ServedModel"))})
_ALIVE: Final = record({"alive": {"const": True}})
_ANYTHING: Final[Json] = {"type": "object"}


def own_paths(names: Sequence[str], settings: Settings, *, logs: bool = False) -> Schema:
    """The paths of vidi's own interface.

    Args:
        names: of the models that are served.
        settings: limits, which descriptions name.
        logs: the server has a prediction log.
    """
    return {
        **(log_paths(names) if logs else {}),
        "/v1/predict": {"post": _predict(names, settings)},
        "/v1/models": {"get": _read(PREDICTIONS, "listModels", "List the models.", _answer("The models.", _MODELS))},
        "/healthz": {
            "get": _probe("isAlive", "Ask whether the process answers.", {"200": _answer("It does.", _ALIVE)})
        },
        "/readyz": {"get": _probe("isReady", "Ask whether requests should be sent here.", _ready())},
        "/metrics": {"get": _read(STATE, "readMetrics", "Read the counters.", _text("text/plain", "For Prometheus."))},
        "/openapi.json": {"get": _read(STATE, "readOpenapi", "Read this description.", _answer("It.", _ANYTHING))},
        "/docs": {"get": _read(STATE, "readDocs", "Read this description as a page.", _text("text/html", "A page."))},
    }


def log_paths(names: Sequence[str]) -> Schema:
    """The paths of a server that has a prediction log.

    Args:
        names: of the models that are served.
    """
    operations = {
        "/v1/feedback": (feedback_operation(names), OF_FEEDBACK),
        "/v1/answers": (answers_operation(names), OF_ANSWERS),
    }
    paths: Schema = {}
    for path, (operation, codes) in operations.items():
        answers = operation.pop("responses")
        assert isinstance(answers, dict)  # noqa: S101 - as they are written
        responses: Schema = {**answers, **problem_answers([*EVERYWHERE, *codes])}
        paths[path] = {"post": {"tags": [FEEDBACK], **operation, "responses": responses}}
    return paths


def _text(media_type: str, about: str) -> Schema:
    return {"description": about, "content": {media_type: {"schema": TEXT}}}


def _ready() -> Schema:
    document = reference("Readiness")
    return {
        "200": _answer("Everything stands.", document),
        "503": _answer("Something does not stand, or the server is stopping.", document),
    }


def problem_answers(codes: Sequence[str]) -> Schema:
    """The responses that problems give, by status.

    Args:
        codes: of `PROBLEMS`.

    >>> problem_answers(["no-such-model", "bad-request"]).keys()
    dict_keys(['400', '404'])
    """
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code].status), []).append(code)
    return {status: _problem_answer(status, by_status[status]) for status in sorted(by_status)}


def _problem_answer(status: str, codes: Sequence[str]) -> Schema:
    limited: Json = {"allOf": [reference("Problem"), {"properties": {"code": one_of(codes)}}]}
    answer: Schema = {
        "description": " ".join(f"`{code}`: {PROBLEMS[code].title}" for code in codes),
        "content": {MEDIA_TYPE: {"schema": limited}},
    }
    if status == "503":
        answer["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}}
    return answer


def _answer(description: str, schema: Json) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _read(tag: str, name: str, summary: str, answer: Json) -> Schema:
    responses = {"200": answer, **problem_answers(EVERYWHERE)}
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": responses}


def _probe(name: str, summary: str, responses: Schema) -> Schema:
    """An operation that is open to all: neither the token nor the host's name is asked for."""
    return {"tags": [STATE], "operationId": name, "summary": summary, "security": [], "responses": responses}


def _predict(names: Sequence[str], settings: Settings) -> Schema:
    return {
        "tags": [PREDICTIONS],
        "operationId": "predict",
        "summary": "Classify images.",
        "description": (
            "One image in the body, several in a form or in JSON. A bad image among several is an error in its row, "
            "and the others are answered. A bad image alone is a problem of its own."
        ),
        "parameters": _query(names),
        "requestBody": {
            "required": True,
            "description": (
                f"At most {settings.images} images and {settings.body_bytes // MEGABYTE} MB; not compressed as a whole."
            ),
            "content": _bodies(settings),
        },
        "responses": {
            "200": _answer("The answers.", reference("Predictions")),
            **problem_answers([*EVERYWHERE, *OF_PREDICT]),
        },
    }


def _query(names: Sequence[str]) -> list[Json]:
    """The query, as the type says that it is read; what may be left out is never null in it."""
    found: list[Json] = []
    for name, schema in declared(Asked)["Asked"]["properties"].items():
        about, is_model = schema.pop("description"), name == "model"
        values = one_of(names) if is_model else schema.get("anyOf", [schema])[0]
        required = is_model and len(names) > 1
        found.append({"name": name, "in": "query", "description": about, "required": required, "schema": values})
    return found


def _bodies(settings: Settings) -> Schema:
    file: Json = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
    counted: Schema = {"type": "array", "minItems": 1, "maxItems": settings.images}
    files = {**counted, "items": {"type": "string", "format": "binary"}, "description": "Once for each image."}
    return {
        "image/*": file,
        "application/octet-stream": file,
        "multipart/form-data": {"schema": record({"image": files})},
        "application/json": {"schema": reference("Images"), "example": {"images": [PIXEL]}},
    }
