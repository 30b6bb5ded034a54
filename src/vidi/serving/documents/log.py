"""The operations of a server that has a prediction log, as OpenAPI describes them."""

from collections.abc import Sequence
from typing import Final

from vidi.serving.documents.schemas import COUNT, FLAG, TEXT, Schema, record, reference
from vidi.serving.feedback import FEEDBACK_PER_HOUR

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
