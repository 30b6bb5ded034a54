"""What a model file promises of its answers: from when on one is sure, and which classes are candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.metrics.selective import RANKINGS, Ranking
from vidi.model_file.values import (
    Json,
    integer_entry,
    number_entry,
    number_or_none,
    object_entry,
    text_entry,
)

Basis = Literal["calibration", "out-of-fold"]
Verdict = Literal["sure", "unsure", "unknown"]
Name = TypeVar("Name", bound=str)

BASES: tuple[Basis, ...] = ("calibration", "out-of-fold")
VERDICTS: tuple[Verdict, ...] = ("sure", "unsure", "unknown")
ALL_CLASSES: Ranking = "all-classes"  # of answers that may name several: how likely all of it is right


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictLimits:
    """The limits, and the images that they rest on. A limit that is None could not be promised."""

    basis: Basis  # images kept for it alone, or answers by networks that had not seen them: then it is an estimate
    image_count: int
    ranking: Ranking = "probability"  # what orders answers by how sure they are
    max_error: float  # of the sure answers, at most this share is wrong …
    level: float  # … with this certainty
    sure: float | None = None  # answers that score at least this are sure
    sure_images: int = 0  # calibration images that do
    sure_errors: int = 0  # of these, wrong ones
    error_bound: float | None = None  # what their true share does not exceed
    coverage: float  # how often the truth is among the candidates, at least
    candidate: float | None = None  # classes at least this probable are candidates
    novelty: float | None = None  # images stranger than this are unknown
    novelty_share: float | None = None  # of known images that may be; None where an older vidi did not say

    def __post_init__(self) -> None:
        for name in ("max_error", "level", "coverage"):
            value = object.__getattribute__(self, name)
            if not 0 < value < 1:
                raise ModelError(f"the verdict's {name} is {value}", "It must lie between 0 and 1.")


def limits_to_json(limits: VerdictLimits) -> dict[str, Json]:
    """The limits as plain values, for the file and for `vidi inspect --json`."""
    return {
        "basis": limits.basis,
        "image_count": limits.image_count,
        "ranking": limits.ranking,
        "sure": {
            "max_error": limits.max_error,
            "level": limits.level,
            "limit": limits.sure,
            "images": limits.sure_images,
            "errors": limits.sure_errors,
            "bound": limits.error_bound,
        },
        "candidates": {"coverage": limits.coverage, "limit": limits.candidate},
        "novelty_limit": limits.novelty,
        "novelty_share": limits.novelty_share,
    }


def limits_from_json(document: Mapping[str, Json] | None) -> VerdictLimits | None:
    """What `limits_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing or of the wrong kind.
    """
    if document is None:
        return None
    sure, candidates = object_entry(document, "sure"), object_entry(document, "candidates")
    return VerdictLimits(
        basis=_one_of(document, "basis", BASES),
        image_count=integer_entry(document, "image_count"),
        ranking=_one_of(document, "ranking", (*RANKINGS, ALL_CLASSES)),
        max_error=number_entry(sure, "max_error"),
        level=number_entry(sure, "level"),
        sure=number_or_none(sure, "limit"),
        sure_images=integer_entry(sure, "images"),
        sure_errors=integer_entry(sure, "errors"),
        error_bound=number_or_none(sure, "bound"),
        coverage=number_entry(candidates, "coverage"),
        candidate=number_or_none(candidates, "limit"),
        novelty=number_or_none(document, "novelty_limit"),
        novelty_share=number_or_none(document, "novelty_share") if "novelty_share" in document else None,
    )


def _one_of(document: Mapping[str, Json], name: str, known: Sequence[Name]) -> Name:
    """A text that must be one of the known ones."""
    value = text_entry(document, name)
    for one in known:
        if one == value:
            return one
    raise ModelError(f"the verdict's {name} is {value!r}", f"This vidi knows {', '.join(known)}; install a newer one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuted:
    """What must not be relied on any more."""

    sure: bool  # that at most so many of the sure answers are wrong
    candidates: bool  # that the truth is among the candidates so often
    classes: tuple[str, ...]  # the decisions for these classes


def describe_refuted(refuted: Refuted) -> str:
    """The guarantees in words.

    >>> describe_refuted(Refuted(sure=True, candidates=False, classes=("cat",)))
    'what “sure” guarantees and what is guaranteed for cat'
    """
    named = [word for word, is_so in (("“sure”", refuted.sure), ("the candidates", refuted.candidates)) if is_so]
    general = [f"what {' and '.join(named)} guarantee{'s' if named == ['“sure”'] else ''}"] if named else []
    classes = ", ".join(map(escape_path, refuted.classes))
    return " and ".join([*general, *([f"what is guaranteed for {classes}"] if classes else [])])
