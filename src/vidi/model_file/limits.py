"""What a model file promises of its answers: from when on one is sure, and which classes are candidates."""

from dataclasses import dataclass, field
from typing import Literal

from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.metrics.selective import Ranking
from vidi.model_file.values import NEED, key

Basis = Literal["calibration", "out-of-fold"]
Verdict = Literal["sure", "unsure", "unknown"]

VERDICTS: tuple[Verdict, ...] = ("sure", "unsure", "unknown")
ALL_CLASSES: Ranking = "all-classes"  # of answers that may name several: how likely all of it is right


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictLimits:
    """The limits, and the images that they rest on. A limit that is None could not be promised."""

    basis: Basis  # images kept for it alone, or answers by networks that had not seen them: then it is an estimate
    image_count: int
    # What orders answers by how sure they are.
    ranking: Ranking = field(default="probability", metadata=NEED)
    # Of the sure answers, at most this share is wrong …
    max_error: float = field(metadata=key("max_error", within="sure"))
    level: float = field(metadata=key("level", within="sure"))  # … with this certainty
    # Answers that score at least this are sure.
    sure: float | None = field(default=None, metadata=key("limit", within="sure", is_needed=True))
    # Calibration images that do.
    sure_images: int = field(default=0, metadata=key("images", within="sure", is_needed=True))
    # Of these, wrong ones.
    sure_errors: int = field(default=0, metadata=key("errors", within="sure", is_needed=True))
    # What their true share does not exceed.
    error_bound: float | None = field(default=None, metadata=key("bound", within="sure", is_needed=True))
    # How often the truth is among the candidates, at least.
    coverage: float = field(metadata=key("coverage", within="candidates"))
    # Classes at least this probable are candidates.
    candidate: float | None = field(default=None, metadata=key("limit", within="candidates", is_needed=True))
    # Images stranger than this are unknown.
    novelty: float | None = field(default=None, metadata=key("novelty_limit", is_needed=True))
    novelty_share: float | None = field(default=None, metadata=NEED)  # of known images that may be

    def __post_init__(self) -> None:
        for name in ("max_error", "level", "coverage"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ModelError(f"the verdict's {name} is {value}", "It must lie between 0 and 1.")


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
