"""The description of the whole server that programs read: OpenAPI 3.1, written by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from vidi.images.limits import MEGABYTE
from vidi.model_file.values import Json
from vidi.serving.problems import MEDIA_TYPE, PROBLEMS
from vidi.serving.routes.inference_request import HEADER_LENGTH, INPUT, Parameters
from vidi.serving.routes.predict import PredictQuery
from vidi.serving.routes.schemas import (
    COUNT,
    FLAG,
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
    schemas,
)
from vidi.serving.settings import Settings

VERSION = "3.1.0"  # of OpenAPI; 3.1.1 and later change words alone


def openapi_document(
    names: Sequence[str],
    settings: Settings,
    *,
    version: str,
    root: str = "",
    versions: Sequence[str] = (),
    logs: bool = False,
) -> Schema:
    """The OpenAPI document of a server.

    Args:
        names: of the models that are served.
        settings: limits, which descriptions name.
        version: of vidi.
        root: path under which the app is mounted; empty where it stands alone.
        versions: of the models.
        logs: the server has a prediction log, and takes feedback.
    """
    tags = {**TAGS, **(LOG_TAGS if logs else {}), PROTOCOL: ABOUT}
    return {
        "openapi": VERSION,
        "info": {
            "title": "vidi",
            "version": version,
            "description": "Image classification by model files. Every answer names the model that gave it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root or "/"}],
        "tags": [{"name": name, "description": about} for name, about in tags.items()],
        "security": [{}, {"token": []}],
        "paths": {**own_paths(names, settings, logs=logs), **inference_paths(names, versions, settings)},
        "components": {
            "schemas": {**schemas(settings), **inference_schemas()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Where the server asks for it: on every path but `/healthz` and `/readyz`.",
                }
            },
        },
    }


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
_METRICS: Final[Json] = {"description": "For Prometheus.", "content": {"text/plain": {"schema": TEXT}}}


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
        "/metrics": {"get": _read(STATE, "readMetrics", "Read the counters.", _METRICS)},
        "/openapi.json": {"get": _read(STATE, "readOpenapi", "Read this description.", _answer("It.", _ANYTHING))},
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
    for name, schema in declared(PredictQuery)["PredictQuery"]["properties"].items():
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


PROTOCOL: Final = "Open Inference Protocol"
ABOUT: Final = (
    "Version 2, as the clients of Triton and KServe speak it. "
    "Loading, unloading, shared memory, traces and log settings are refused."
)
OF_INDEX: Final = (
    "bad-request",
    "too-slow-request",
    "body-too-large",
    "unsupported-media-type",
    "invalid-input",
    "headers-too-large",
    "internal-error",
)
BINARY: Final[Schema] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
EXAMPLE: Final[Schema] = {
    "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [1], "data": [PIXEL]}],
    "outputs": [{"name": "label"}, {"name": "probabilities", "parameters": {"classification": 2}}],
}


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """An operation that reads about one model."""

    end: str  # of the path
    name: str  # of the operation
    summary: str
    schema: str  # of the answer
    refusals: tuple[str, ...] = ()  # besides that there is no such model


MODEL_ROUTES: Final = (
    ModelRoute("", "readModel", "Read the inputs and outputs of a model.", "InferenceModel"),
    ModelRoute("/ready", "isModelReady", "Ask whether a model is ready.", "InferenceModelReady", ("not-ready",)),
    ModelRoute("/config", "readModelConfig", "Read the configuration of a model.", "InferenceConfig"),
    ModelRoute("/stats", "readModelStatistics", "Read the statistics of a model.", "InferenceStatistics"),
)


def inference_paths(names: Sequence[str], versions: Sequence[str], settings: Settings) -> Schema:
    """The paths of the protocol.

    Args:
        names: of the models that are served.
        versions: of these models.
        settings: limits, which descriptions name.
    """
    found: Schema = {
        "/v2": {"get": _read_protocol("readServer", "Read what the server is.", "InferenceServer")},
        "/v2/health/live": {"get": _read_protocol("isServerLive", "Ask whether the server lives.", "InferenceLive")},
        "/v2/health/ready": {
            "get": _read_protocol("isServerReady", "Ask whether the server is ready.", "InferenceReady", "not-ready")
        },
        "/v2/repository/index": {"post": _index()},
        "/v2/models/stats": {"get": _read_protocol("readStatistics", "Read the statistics.", "InferenceStatistics")},
    }
    model = _path_parameter("name", "Name of the model.", names)
    version = _path_parameter("version", "Version of the model: the name of its run.", versions)
    for start, parameters, which in (
        ("/v2/models/{name}", [model], ""),
        ("/v2/models/{name}/versions/{version}", [model, version], "Version"),
    ):
        for route in MODEL_ROUTES:
            read = _read_protocol(f"{route.name}{which}", route.summary, route.schema, "no-such-model", *route.refusals)
            found[f"{start}{route.end}"] = {"get": {**read, "parameters": [*parameters]}}
        found[f"{start}/infer"] = {"post": _infer(f"infer{which}", parameters, settings)}
    return found


def _path_parameter(name: str, about: str, values: Sequence[str]) -> Json:
    schema = one_of(sorted(set(values))) if values else TEXT
    example: Schema = {"example": values[0]} if values else {}
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema, **example}


def _operation(name: str, summary: str, answer: Json, codes: Sequence[str]) -> Schema:
    responses = {"200": answer, **problem_answers([*EVERYWHERE, *codes])}
    return {"tags": [PROTOCOL], "operationId": name, "summary": summary, "responses": responses}


def _in_json(schema: Json) -> Schema:
    return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}


def _read_protocol(name: str, summary: str, schema: str, *codes: str) -> Schema:
    return _operation(name, summary, _in_json(reference(schema)), codes)


def _index() -> Schema:
    body: Schema = {
        "required": False,
        "content": {"application/json": {"schema": reference("IndexBody"), "example": {"ready": True}}},
    }
    answer = _in_json(list_of(reference("InferenceIndexEntry")))
    return {**_operation("readIndex", "List the models and their states.", answer, OF_INDEX), "requestBody": body}


def _infer(name: str, parameters: Sequence[Json], settings: Settings) -> Schema:
    """The operation that classifies images; its body is JSON, with or without tensors in binary form behind it."""
    answer: Schema = {
        "description": "The tensors, in JSON or behind it.",
        "headers": {HEADER_LENGTH: {"description": "Bytes of JSON, where tensors follow.", "schema": TEXT}},
        "content": {"application/json": {"schema": reference("InferenceAnswer")}, **BINARY},
    }
    length: Json = {
        "name": HEADER_LENGTH,
        "in": "header",
        "required": False,
        "description": "Bytes of JSON at the beginning of the body, where tensors follow in binary form.",
        "schema": COUNT,
    }
    content = {"application/json": {"schema": reference("InferenceRequest"), "example": EXAMPLE}, **BINARY}
    return {
        **_operation(name, "Classify images as tensors.", answer, OF_PREDICT),
        "description": "Encoded files, or pixels of images of one size. One bad file fails the whole request.",
        "parameters": [*parameters, length],
        "requestBody": {
            "required": True,
            "description": (
                f"At most {settings.images} images and {settings.body_bytes // MEGABYTE} MB; not compressed as a whole."
            ),
            "content": content,
        },
    }


def inference_schemas() -> Schema:
    """Every schema of the protocol, by name."""
    return {
        "InferenceServer": record({"name": TEXT, "version": TEXT, "extensions": list_of(TEXT)}),
        "InferenceLive": record({"live": FLAG}),
        "InferenceReady": record({"ready": FLAG}),
        "InferenceModelReady": record({"name": TEXT, "ready": FLAG}),
        "InferenceIndexEntry": record(
            {"name": TEXT, "version": TEXT, "state": one_of(["READY", "UNAVAILABLE"]), "reason": TEXT}
        ),
        "InferenceModel": _model(),
        "InferenceConfig": _config(),
        "InferenceStatistics": record({"model_stats": list_of(_statistics())}),
        "InferenceAnswer": _inference_answer(),
    }


def _model() -> Schema:
    tensors = list_of(record({"name": TEXT, "datatype": TEXT, "shape": list_of({"type": "integer"})}))
    return record(
        {"name": TEXT, "versions": list_of(TEXT), "platform": TEXT, "inputs": tensors, "outputs": tensors},
        about=f"Its input `{INPUT}` may also be BYTES, shape [-1], of encoded files. -1 stands for any size.",
    )


def _config() -> Schema:
    tensor: Schema = {"name": TEXT, "data_type": TEXT, "dims": list_of({"type": "integer"})}
    return record(
        {
            "name": TEXT,
            "platform": TEXT,
            "backend": TEXT,
            "max_batch_size": {**COUNT, "description": "Images of one request, at most."},
            "input": list_of(record({**tensor, "format": TEXT})),
            "output": list_of(record(tensor)),
            "parameters": {"type": "object", "additionalProperties": record({"string_value": TEXT})},
        },
        about="As Triton's model configuration; `parameters` hold model id, classes and input size.",
    )


def _statistics() -> Schema:
    duration = record({"count": COUNT, "ns": COUNT})
    counted = ("last_inference", "inference_count", "execution_count")
    stages = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
    return record(
        {
            "name": TEXT,
            "version": TEXT,
            **dict.fromkeys(counted, COUNT),
            "inference_stats": record(dict.fromkeys(stages, duration)),
            "batch_stats": list_of({"type": "object"}),
        }
    )


def _inference_answer() -> Schema:
    tensor = record(
        {
            "name": TEXT,
            "datatype": one_of(["FP32", "BYTES"]),
            "shape": list_of(COUNT),
            "data": list_of({"type": ["number", "string"]}),
            "parameters": record({"binary_data_size": COUNT}),
        },
        optional=["data", "parameters"],
    )
    return record(
        {
            "model_name": TEXT,
            "model_version": TEXT,
            "id": TEXT,
            "parameters": msgspec.json.schema(Parameters),
            "outputs": list_of(tensor),
        },
        optional=["id", "parameters"],
    )
