"""Golden vectors as a model file holds them: drawn tiny images, the answers to them, and how far hosts may differ."""

from collections.abc import Mapping
from dataclasses import dataclass

from vidi.errors import ModelError
from vidi.model_file.limits import VERDICTS, Verdict
from vidi.model_file.values import (
    Json,
    entry,
    list_entry,
    number_entry,
    number_or_none,
    numbers_entry,
    object_entry,
    size_entry,
    text_entry,
    text_or_none,
    wrong_value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenVector:
    """A drawn tiny image and the answer the file gave when it was written, so that any host can check itself."""

    image: str  # base64 of height * width * 3 bytes, row by row, RGB
    size: tuple[int, int]  # (height, width), pixels
    probabilities: tuple[float, ...]
    novelty: float | None = None  # None if the file has no such output, or an older vidi did not ask
    verdict: Verdict | None = None  # None if there is none, or it lies so near a limit that hosts may differ
    candidates: tuple[int, ...] | None = None  # indexes into the classes; None as for the verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenTolerance:
    """How far another host's answers may lie from the golden ones."""

    probability: float = 1e-4  # processors add in different orders, and fp32 logits then differ by a few 1e-6
    novelty: float = 1e-3  # share of the golden novelty, or of 1 where that is less: it is a difference of large sums

    def __post_init__(self) -> None:
        if not (0 < self.probability < 1 and 0 < self.novelty < 1):
            raise ModelError(
                f"the golden vectors' tolerance is {self.probability} of a probability and {self.novelty} of a novelty",
                "Both must lie between 0 and 1.",
            )


def vector_to_json(vector: GoldenVector) -> dict[str, Json]:
    """Plain values, for the file; what is not known is left out."""
    known: dict[str, Json] = {} if vector.novelty is None else {"novelty": vector.novelty}
    if vector.verdict is not None:
        known["verdict"] = vector.verdict
    if vector.candidates is not None:
        known["candidates"] = list(vector.candidates)
    return {"image": vector.image, "size": list(vector.size), "probabilities": list(vector.probabilities), **known}


def vector_from_json(value: Json) -> GoldenVector:
    """What `vector_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing or of the wrong kind.
    """
    document = object_entry({"golden vector": value}, "golden vector")
    probabilities = numbers_entry(document, "probabilities")
    return GoldenVector(
        image=text_entry(document, "image"),
        size=size_entry(document, "size"),
        probabilities=probabilities,
        novelty=number_or_none(document, "novelty") if "novelty" in document else None,
        verdict=_verdict(document) if "verdict" in document else None,
        candidates=_indexes(document, len(probabilities)) if "candidates" in document else None,
    )


def tolerance_to_json(tolerance: GoldenTolerance) -> dict[str, Json]:
    """Plain values, for the file."""
    return {"probability": tolerance.probability, "novelty": tolerance.novelty}


def tolerance_from_json(document: Mapping[str, Json]) -> GoldenTolerance:
    """What `tolerance_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing, of the wrong kind, or not between 0 and 1.
    """
    return GoldenTolerance(probability=number_entry(document, "probability"), novelty=number_entry(document, "novelty"))


def _verdict(document: Mapping[str, Json]) -> Verdict | None:
    text = text_or_none(document, "verdict")
    for one in VERDICTS:
        if one == text:
            return one
    if text is None:
        return None
    raise wrong_value("golden verdict", ", ".join(VERDICTS), text)


def _indexes(document: Mapping[str, Json], class_count: int) -> tuple[int, ...] | None:
    if entry(document, "candidates") is None:
        return None
    values = list_entry(document, "candidates")
    indexes = tuple(value for value in values if isinstance(value, int) and not isinstance(value, bool))
    if len(indexes) != len(values) or not all(0 <= index < class_count for index in indexes):
        raise wrong_value("golden candidates", "indexes of classes", values)
    return indexes
