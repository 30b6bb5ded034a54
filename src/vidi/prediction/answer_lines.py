"""Answers as lines of text and back, bit for bit: how they come from another computer, and lie in a file."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError, ModelError
from vidi.images.statistics import ImageStatistics
from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.prediction import Answer, decide


def encode_answers(answers: Iterable[Answer]) -> bytes:
    """Return the answers as JSON Lines; what was measured beside them is left out."""
    lines = [json.dumps(_as_plain(one), ensure_ascii=True, allow_nan=False, separators=(",", ":")) for one in answers]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def decode_answers(data: bytes, metadata: ModelMetadata) -> list[Answer]:
    """Return the answers that the lines hold.

    Args:
        data: of `encode_answers`.
        metadata: of the model that answered.

    Raises:
        ModelError: they are no such lines, or another model's.
    """
    try:
        return [_of_plain(json.loads(line), metadata) for line in data.splitlines()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"lines of answers cannot be read: {error}", "Delete the file, and predict again.") from error


def _as_plain(answer: Answer) -> dict[str, Any]:
    prediction, error = answer.prediction, answer.error
    plain: dict[str, Any] = {"path": answer.path, "digest": answer.digest, "size": answer.size, "notes": answer.notes}
    if error is not None:
        return {**plain, "error": [error.code, error.cause, error.remedy]}
    assert prediction is not None  # noqa: S101  # an answer is one of the two
    plain |= {"probabilities": _as_text(prediction.probabilities), "novelty": prediction.novelty}
    if prediction.embedding is not None:
        plain["embedding"] = _as_text(prediction.embedding)
    if answer.statistics is not None:
        plain["statistics"] = asdict(answer.statistics)
    return plain


def _of_plain(plain: dict[str, Any], metadata: ModelMetadata) -> Answer:
    size = None if plain["size"] is None else (int(plain["size"][0]), int(plain["size"][1]))
    answer = Answer(
        path=plain["path"],
        outcome=ImageError("", "", ""),
        notes=tuple(plain["notes"]),
        digest=plain["digest"],
        size=size,
    )
    if "error" in plain:
        code, cause, remedy = plain["error"]
        return replace(answer, outcome=ImageError(code, cause, remedy))
    embedding, statistics = plain.get("embedding"), plain.get("statistics")
    return replace(
        answer,
        outcome=decide(
            _of_text(plain["probabilities"]),
            metadata,
            novelty=plain["novelty"],
            embedding=None if embedding is None else _of_text(embedding),
        ),
        statistics=None if statistics is None else ImageStatistics(**statistics),
    )


def _as_text(values: NDArray[np.float32]) -> str:
    """Their bytes in base64: 5.3 signs a number, a quarter of what its digits take."""
    return b64encode(values.astype("<f4").tobytes()).decode("ascii")


def _of_text(text: str) -> NDArray[np.float32]:
    return np.frombuffer(b64decode(text, validate=True), "<f4").astype(np.float32)
