"""The Open Inference Protocol below `/v2`, as OpenAPI describes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from vidi.images.limits import MEGABYTE
from vidi.model_file.values import Json
from vidi.serving.documents.operations import EVERYWHERE, OF_PREDICT, PIXEL, problem_answers
from vidi.serving.documents.schemas import COUNT, FLAG, TEXT, Schema, list_of, one_of, record, reference
from vidi.serving.inference.request import HEADER_LENGTH, INPUT, Parameters
from vidi.serving.settings import Settings

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
        "/v2": {"get": _read("readServer", "Read what the server is.", "InferenceServer")},
        "/v2/health/live": {"get": _read("isServerLive", "Ask whether the server lives.", "InferenceLive")},
        "/v2/health/ready": {
            "get": _read("isServerReady", "Ask whether the server is ready.", "InferenceReady", "not-ready")
        },
        "/v2/repository/index": {"post": _index()},
        "/v2/models/stats": {"get": _read("readStatistics", "Read the statistics.", "InferenceStatistics")},
    }
    model = _path_parameter("name", "Name of the model.", names)
    version = _path_parameter("version", "Version of the model: the name of its run.", versions)
    for start, parameters, which in (
        ("/v2/models/{name}", [model], ""),
        ("/v2/models/{name}/versions/{version}", [model, version], "Version"),
    ):
        for route in MODEL_ROUTES:
            read = _read(f"{route.name}{which}", route.summary, route.schema, "no-such-model", *route.refusals)
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


def _read(name: str, summary: str, schema: str, *codes: str) -> Schema:
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
        "InferenceAnswer": _answer(),
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


def _answer() -> Schema:
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
