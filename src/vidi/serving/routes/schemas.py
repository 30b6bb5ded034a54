"""The documents of the server's own interface, as JSON Schema 2020-12."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from vidi.images.limits import NOTES, REASONS
from vidi.log.writer import STATES
from vidi.model_file.values import Json
from vidi.prediction.prediction import WrittenAnswer
from vidi.serving.engine.recording import SentAnswers
from vidi.serving.problems import PROBLEMS
from vidi.serving.routes.feedback import FEEDBACK_PER_HOUR, SentFeedback
from vidi.serving.routes.inference_request import IndexBody, InferenceRequest, OfInput, OfOutput, OfRequest
from vidi.serving.routes.predict import Images
from vidi.serving.settings import Settings

Schema = dict[str, Json]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
EXAMPLE_DIGEST: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
OF_LOG: Final = (
    "bad-request",
    "no-such-model",
    "too-slow-request",
    "body-too-large",
    "unsupported-media-type",
    "invalid-input",
    "headers-too-large",
    "internal-error",
    "busy",
)
OF_FEEDBACK: Final = (*OF_LOG, "conflict", "too-many", "log-unavailable", "log-full")
OF_ANSWERS: Final = (*OF_LOG, "too-many", "unusable-image", "not-ready", "too-slow-answer")


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
        properties: schema of each member.
        optional: members that may be left out.
        about: one sentence.
    """
    required: list[Json] = [name for name in properties if name not in optional]
    described: Schema = {"description": about} if about else {}
    return {**described, "type": "object", "required": required, "properties": dict(properties)}


def schemas(settings: Settings) -> Schema:
    """Every schema of vidi's own interface and of the bodies that are read, by name."""
    return {
        "Predictions": _predictions(),
        "Model": record(_model(), optional=["refuted"], about="Which model answered."),
        "ServedModel": _served_model(),
        "Prediction": _prediction(),
        "Box": _box(),
        "Problem": _problem(),
        "Readiness": _readiness(),
        "Account": _account(),
        **_bodies(settings),
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


def _model() -> Schema:
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
            **_model(),
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


def _bodies(settings: Settings) -> dict[str, Any]:
    """The schemas of all bodies of JSON: of the types that they are read as, with what no type can say."""
    found = declared(Images, IndexBody, SentFeedback, SentAnswers, InferenceRequest)
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


def feedback_operation(names: Sequence[str]) -> Schema:
    """`POST /v1/feedback`, without its responses to problems."""
    example: Schema = {"digest": EXAMPLE_DIGEST, "none": True}
    if len(names) > 1:
        example["model"] = names[0]
    return {
        "operationId": "giveFeedback",
        "summary": "Say what an image really shows.",
        "description": (
            "It is on the disk when the answer comes. The same key counts once, and without a key the same words do. "
            f"One source may send {FEEDBACK_PER_HOUR:,} in an hour."
        ),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": reference("SentFeedback"), "example": example}},
        },
        "responses": {
            "200": _answer("It was noted; `new` is false where it was there already.", {"key": TEXT, "new": FLAG})
        },
    }


def answers_operation(names: Sequence[str]) -> Schema:
    """`POST /v1/answers`, without its responses to problems."""
    answer: Schema = {"digest": EXAMPLE_DIGEST, "probabilities": [0.9, 0.1]}
    if len(names) > 1:
        answer["model"] = names[0]
    return {
        "operationId": "logAnswers",
        "summary": "Log answers that were made in a browser.",
        "description": "An image is sent along only where its owner says so, and only to a server that keeps images.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": reference("SentAnswers"),
                    "example": {"consent": True, "answers": [answer]},
                }
            },
        },
        "responses": {"202": _answer("They are on their way to the log.", {"taken": COUNT})},
    }


def _answer(description: str, members: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": record(members)}}}
