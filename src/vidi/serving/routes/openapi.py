"""The description of the whole server that programs read: OpenAPI 3.1, and its documents as JSON Schema 2020-12."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vidi.images.limits import MEGABYTE, NOTES, REASONS
from vidi.log.writer import STATES
from vidi.model_file.values import Json
from vidi.prediction.prediction import WrittenAnswer
from vidi.serving.engine.recording import SentAnswers
from vidi.serving.problems import MEDIA_TYPE, PROBLEMS
from vidi.serving.routes.feedback import FEEDBACK_PER_HOUR, SentFeedback
from vidi.serving.routes.inference_request import (
    HEADER_LENGTH,
    INPUT,
    InferenceRequest,
    OfInput,
    OfOutput,
    OfRequest,
    Parameters,
)
from vidi.serving.routes.predict import Images, PredictQuery
from vidi.serving.settings import Settings

VERSION = "3.1.0"  # of OpenAPI; 3.1.1 and later change words alone

Schema = dict[str, Json]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
EXAMPLE_DIGEST: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EVERYWHERE: Final = ("unauthorized", "origin-refused", "host-refused")  # wherever access is checked
OF_BODY: Final = (
    "bad-request",
    "too-slow-request",
    "body-too-large",
    "unsupported-media-type",
    "invalid-input",
    "headers-too-large",
    "internal-error",
)
OF_LOG: Final = (*OF_BODY, "no-such-model", "busy")
OF_PREDICT: Final = (*OF_LOG, "unusable-image", "not-ready", "too-slow-answer")
OF_FEEDBACK: Final = (*OF_LOG, "conflict", "too-many", "log-unavailable", "log-full")
OF_ANSWERS: Final = (*OF_PREDICT, "too-many")


def reference(name: str) -> Schema:
    """A reference to a schema of the document's components.

    >>> reference("Problem")
    {'$ref': '#/components/schemas/Problem'}
    """
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(values: Sequence[str]) -> Schema:
    """A text out of several."""
    return {"type": "string", "enum": list(values)}


def list_of(items: Json) -> Schema:
    """A list of equal items."""
    return {"type": "array", "items": items}


def mapping_of(values: Json) -> Schema:
    """An object with any names and equal values."""
    return {"type": "object", "additionalProperties": values}


def or_null(schema: Json) -> Schema:
    """A value that may be absent."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(properties: Mapping[str, Json], *, optional: Sequence[str] = (), about: str = "") -> Schema:
    """An object with named members.

    Args:
        optional: members that may be left out.
    """
    required: list[Json] = [name for name in properties if name not in optional]
    described: Schema = {"description": about} if about else {}
    return {**described, "type": "object", "required": required, "properties": dict(properties)}


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
        root: path under which the app is mounted; empty where it stands alone.
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
        "paths": {**_own_paths(names, settings, logs=logs), **_inference_paths(names, versions, settings)},
        "components": {
            "schemas": {**schemas(settings), **_inference_schemas()},
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
PIXEL: Final = (  # a PNG file of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGMIaFAAAAIUAPFhuDzpAAAAAElFTkSuQmCC"
)
_ALIVE: Final = record({"alive": {"const": True}})
_ANYTHING: Final[Json] = {"type": "object"}
_METRICS: Final[Json] = {"description": "For Prometheus.", "content": {"text/plain": {"schema": TEXT}}}


def _own_paths(names: Sequence[str], settings: Settings, *, logs: bool = False) -> Schema:
    """The paths of vidi's own interface; with a prediction log also those of feedback."""
    models = _answer("The models.", record({"models": list_of(reference("ServedModel"))}))
    log_paths: Schema = {"/v1/feedback": {"post": _feedback(names)}, "/v1/answers": {"post": _answers(names)}}
    return {
        **(log_paths if logs else {}),
        "/v1/predict": {"post": _predict(names, settings)},
        "/v1/models": {"get": _operation(PREDICTIONS, "listModels", "List the models.", models)},
        "/healthz": {
            "get": _probe("isAlive", "Ask whether the process answers.", {"200": _answer("It does.", _ALIVE)})
        },
        "/readyz": {"get": _probe("isReady", "Ask whether requests should be sent here.", _ready())},
        "/metrics": {"get": _operation(STATE, "readMetrics", "Read the counters.", _METRICS)},
        "/openapi.json": {"get": _operation(STATE, "readOpenapi", "Read this description.", _answer("It.", _ANYTHING))},
    }


def _ready() -> Schema:
    document = reference("Readiness")
    return {
        "200": _answer("Everything stands.", document),
        "503": _answer("Something does not stand, or the server is stopping.", document),
    }


def problem_answers(codes: Sequence[str]) -> Schema:
    """The responses that problems give, by status.

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


def _operation(
    tag: str, name: str, summary: str, answer: Json, codes: Sequence[str] = (), *, status: str = "200"
) -> Schema:
    """An operation with its answer, and the problems of these codes besides those of all paths."""
    responses = {status: answer, **problem_answers([*EVERYWHERE, *codes])}
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": responses}


def _body(content: Json, *, about: str = "") -> Schema:
    """What a request sends: `content` by media type."""
    return {"required": True, **({"description": about} if about else {}), "content": content}


def _images_at_most(settings: Settings) -> str:
    return f"At most {settings.images} images and {settings.body_bytes // MEGABYTE} MB; not compressed as a whole."


def _probe(name: str, summary: str, responses: Schema) -> Schema:
    """An operation that is open to all: neither the token nor the host's name is asked for."""
    return {"tags": [STATE], "operationId": name, "summary": summary, "security": [], "responses": responses}


def _predict(names: Sequence[str], settings: Settings) -> Schema:
    answer = _answer("The answers.", reference("Predictions"))
    return {
        **_operation(PREDICTIONS, "predict", "Classify images.", answer, OF_PREDICT),
        "description": (
            "One image in the body, several in a form or in JSON. A bad image among several is an error in its row, "
            "and the others are answered. A bad image alone is a problem of its own."
        ),
        "parameters": _query(names),
        "requestBody": _body(_bodies(settings), about=_images_at_most(settings)),
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
    "Loading, unloading, statistics, shared memory, traces and log settings are refused."
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
)


def _inference_paths(names: Sequence[str], versions: Sequence[str], settings: Settings) -> Schema:
    """The paths of the protocol."""
    found: Schema = {
        "/v2": {"get": _read_protocol("readServer", "Read what the server is.", "InferenceServer")},
        "/v2/health/live": {"get": _read_protocol("isServerLive", "Ask whether the server lives.", "InferenceLive")},
        "/v2/health/ready": {
            "get": _read_protocol("isServerReady", "Ask whether the server is ready.", "InferenceReady", "not-ready")
        },
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


def _read_protocol(name: str, summary: str, schema: str, *codes: str) -> Schema:
    return _operation(PROTOCOL, name, summary, _answer("The answer.", reference(schema)), codes)


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
        **_operation(PROTOCOL, name, "Classify images as tensors.", answer, OF_PREDICT),
        "description": "Encoded files, or pixels of images of one size. One bad file fails the whole request.",
        "parameters": [*parameters, length],
        "requestBody": _body(content, about=_images_at_most(settings)),
    }


def _inference_schemas() -> Schema:
    """Every schema of the protocol, by name."""
    return {
        "InferenceServer": record({"name": TEXT, "version": TEXT, "extensions": list_of(TEXT)}),
        "InferenceLive": record({"live": FLAG}),
        "InferenceReady": record({"ready": FLAG}),
        "InferenceModelReady": record({"name": TEXT, "ready": FLAG}),
        "InferenceModel": _model(),
        "InferenceConfig": _config(),
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


def _feedback(names: Sequence[str]) -> Schema:
    example: Schema = {"digest": EXAMPLE_DIGEST, "none": True, **({"model": names[0]} if len(names) > 1 else {})}
    about = "It was noted; `new` is false where it was there already."
    answer = _answer(about, record({"key": TEXT, "new": FLAG}))
    return {
        **_operation(FEEDBACK, "giveFeedback", "Say what an image really shows.", answer, OF_FEEDBACK),
        "description": (
            "It is on the disk when the answer comes. The same key counts once, and without a key the same words do. "
            f"One source may send {FEEDBACK_PER_HOUR:,} in an hour."
        ),
        "requestBody": _body({"application/json": {"schema": reference("SentFeedback"), "example": example}}),
    }


def _answers(names: Sequence[str]) -> Schema:
    one: Schema = {"digest": EXAMPLE_DIGEST, "probabilities": [0.9, 0.1]}
    sent: Schema = {"consent": True, "answers": [{**one, **({"model": names[0]} if len(names) > 1 else {})}]}
    answer = _answer("They are on their way to the log.", record({"taken": COUNT}))
    summary = "Log answers that were made in a browser."
    return {
        **_operation(FEEDBACK, "logAnswers", summary, answer, OF_ANSWERS, status="202"),
        "description": "An image is sent along only where its owner says so, and only to a server that keeps images.",
        "requestBody": _body({"application/json": {"schema": reference("SentAnswers"), "example": sent}}),
    }


def schemas(settings: Settings) -> Schema:
    """Every schema of vidi's own interface and of the bodies that are read, by name."""
    return {
        "Predictions": _predictions(),
        "Model": record(_named_model(), optional=["refuted"], about="Which model answered."),
        "ServedModel": _served_model(),
        "Prediction": _prediction(),
        "Box": _box(),
        "Problem": _problem(),
        "Readiness": _readiness(),
        "Account": _account(),
        **_declared_bodies(settings),
    }


def _predictions() -> Schema:
    return record(
        {
            "schema": {"const": 1},
            "model": reference("Model"),
            "predictions": list_of(reference("Prediction")),
            "account": reference("Account"),
        },
        about="The document that `vidi predict --json` writes; predictions stand in the order of the images.",
    )


def _named_model() -> Schema:
    return {
        "name": {"type": "string", "description": "The model's name on this server."},
        "id": {"type": "string", "description": "First 12 digits of the file's digest."},
        "version": {"type": "string", "description": "The name of the run that trained it."},
        "weights_digest": TEXT,
        "unfinished": {**or_null(TEXT), "description": "Why the training ended early; null for a finished model."},
        "refuted": {
            **record({"sure": FLAG, "candidates": FLAG, "classes": list_of(TEXT)}),
            "description": "Guarantees that the model's own test refuted.",
        },
    }


def _served_model() -> Schema:
    size: Schema = {**list_of(COUNT), "minItems": 2, "maxItems": 2, "description": "Input height and width, pixels."}
    return record(
        {
            **_named_model(),
            "classes": list_of(TEXT),
            "multi_label": {"type": "boolean", "description": "Whether an image may show several classes."},
            "outputs": list_of(TEXT),
            "size": size,
        },
        optional=["refuted"],
        about="A model that is served.",
    )


def _prediction() -> dict[str, Any]:
    """The schema of an answer as it is written, and of what requests may ask for beside it."""
    found = declared(WrittenAnswer)["WrittenAnswer"]
    error = record({"code": one_of([*REASONS]), "message": TEXT})
    members = found["properties"]
    members["path"]["description"] = "The file name that the form gave, else `image-1`, `image-2` …"
    members["verdict"]["description"] = "null: the model has no limits."
    members["decision"]["description"] = "Of the operating point, where there is one."
    members["probability"] = or_null(SHARE)
    members["probabilities"] = or_null(mapping_of(SHARE))
    members["error"] = {**or_null(error), "description": "Why the image cannot be used; null where it was."}
    members["notes"] = list_of(one_of([*NOTES]))
    regions = record({"regions": mapping_of(list_of(list_of(NUMBER)))})
    size = {**list_of(COUNT), "minItems": 2, "maxItems": 2, "description": "Height and width of the upright image."}
    return {
        "description": "One image's answer.",
        "type": "object",
        "required": found["required"],
        "properties": {
            **members,
            "size": size,
            "boxes": {**list_of(reference("Box")), "description": "With `locate=true`."},
            "why": {**or_null(regions), "description": "With `explain=evidence`: class → rows."},
        },
    }


def _box() -> Schema:
    corners: Schema = {**list_of(NUMBER), "minItems": 4, "maxItems": 4}
    return record(
        {
            "label": TEXT,
            "score": SHARE,
            "box": {**corners, "description": "x_min, y_min, x_max, y_max in pixels of the upright image."},
            "novelty": or_null(NUMBER),
        }
    )


def _problem() -> Schema:
    return record(
        {
            "type": {"type": "string", "description": "`urn:vidi:problem:` and the code."},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What went wrong in this request."},
            "code": one_of([*PROBLEMS]),
            "remedy": {"type": "string", "description": "What to do about it; may be empty."},
            "error": {"type": "string", "description": "Detail and remedy, as clients of the protocol read them."},
            "image": record({"code": one_of([*REASONS])}, about="Why the only image cannot be used."),
            "images": {**list_of(_bad_file()), "description": "The files that fail a request for tensors."},
        },
        optional=["image", "images"],
        about="A refusal, as RFC 9457 has it. The codes are stable.",
    )


def _bad_file() -> Schema:
    return record({"index": COUNT, "code": one_of([*REASONS]), "message": TEXT})


def _readiness() -> Schema:
    refused = {**or_null(TEXT), "description": "Why a new file in the model's place was refused; null where none was."}
    model = record({"name": TEXT, "version": TEXT, "id": TEXT, "refused_file": refused})
    return record(
        {
            "ready": FLAG,
            "reasons": {**list_of(TEXT), "description": "What stands against it; empty when ready."},
            "models": list_of(model),
            "workers": record({"standing": COUNT, "wanted": COUNT, "deaths": COUNT}),
            "log": {**_log(), "description": "The prediction log, where there is one. Answers go on without it."},
        },
        optional=["log"],
        about="Whether requests should be sent here.",
    )


def _log() -> Schema:
    return record(
        {
            "state": one_of(STATES),
            "why": or_null(TEXT),
            "written": COUNT,
            "lost": COUNT,
            "waiting": COUNT,
            "images_lost": COUNT,
        }
    )


def declared(*kinds: type) -> dict[str, Any]:
    """The schemas of types that are read, and of those within them, by name."""
    return msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")[1]


def _declared_bodies(settings: Settings) -> dict[str, Any]:
    """The schemas of all bodies of JSON: of the types that they are read as, with what no type can say."""
    found = declared(Images, SentFeedback, SentAnswers, InferenceRequest)
    found["SentFeedback"]["oneOf"] = [{"required": [name]} for name in ("labels", "none", "unclear")]
    found["Images"]["properties"]["images"]["maxItems"] = settings.images
    found["SentAnswers"]["properties"]["answers"]["maxItems"] = settings.images
    for name, kind in (
        ("EncodedImages", OfInput),
        ("ImagePixels", OfInput),
        ("NamedOutput", OfOutput),
        ("InferenceRequest", OfRequest),
    ):
        members, known = found[name]["properties"], declared(kind)[kind.__name__]["properties"]
        members["parameters"] = {"allOf": [members["parameters"], {"properties": known}]}
    return found


def _account() -> Schema:
    entries = list_of(record({"path": TEXT, "code": TEXT, "message": TEXT}))
    return record(
        {"found": COUNT, "used": COUNT, "set_aside": entries, "refused": entries, "ignored": mapping_of(COUNT)},
        about="Every image of the request is counted once.",
    )
