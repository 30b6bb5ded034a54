"""What a model file promises of its answers, and from which probability on an image is called a class."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.metrics.selective import Ranking
from vidi.model_file.values import NEED, key

Basis = Literal["calibration", "out-of-fold"]
Verdict = Literal["sure", "unsure", "unknown"]
Measure = Literal["recall", "precision", "false-alarms", "costs", "f1"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPoint:
    """One class's threshold, and what was seen with it on images that were not used for training."""

    name: str = field(metadata=key("class"))
    threshold: float | None  # images at least so probable are called the class; None: no image is
    is_promised: bool = field(metadata=key("promised"))  # the bound keeps the target
    bound: float | None  # of the target rate, one-sided; None: nothing can be said
    image_count: int = field(metadata=key("images"))  # of the class
    found: int  # of these, called so
    other_count: int = field(metadata=key("others"))  # images that do not show it
    alarms: int  # of these, called so


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoints:
    """A target, and the thresholds or costs that keep it."""

    measure: Measure
    share: float | None  # the target: recall, precision, or false alarms at most; None for costs and F1
    level: float  # how certain a promise is
    basis: Basis
    image_count: int
    # The one class that it is about; every answer is then this class, or the best other.
    positive: str | None = field(default=None, metadata=NEED)
    # One for each class that has a threshold.
    points: tuple[ClassPoint, ...] = field(default=(), metadata=key("thresholds", is_needed=True))
    # Row = true class, column = answer, in the model's order.
    costs: tuple[tuple[float, ...], ...] | None = field(default=None, metadata=NEED)
    mean_cost: float | None = field(default=None, metadata=NEED)  # of an image, on those

    def __post_init__(self) -> None:
        if not 0 < self.level < 1 or (self.share is not None and not 0 < self.share < 1):
            raise _contradiction(f"target for {self.share} with certainty {self.level}")
        if (self.measure == "costs") != (self.costs is not None) or (self.share is None) != (
            self.measure in ("costs", "f1")
        ):
            raise _contradiction(f"target for {self.measure} with share {self.share} and costs {self.costs}")
        if any(point.threshold is not None and not 0 <= point.threshold <= 1 for point in self.points):
            raise _contradiction("threshold that is no probability")

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse points that are not about these classes.

        Raises:
            ModelError: a class is not there, or stands there twice, or the costs are not one row and column for each.
        """
        named = [point.name for point in self.points]
        if not set(named) <= set(classes) or len(set(named)) < len(named):
            raise _contradiction(f"thresholds for {', '.join(named)}, while the classes are {', '.join(classes)}")
        if self.positive is not None and named != [self.positive]:
            raise _contradiction(f"positive class {self.positive} with thresholds for {', '.join(named)}")
        if self.costs is not None and {len(self.costs), *map(len, self.costs)} != {len(classes)}:
            raise _contradiction(f"{len(self.costs)} rows of costs for {len(classes)} classes")


def _contradiction(what: str) -> ModelError:
    return ModelError(f"the operating points hold a {what}", "Choose them again: `vidi calibrate MODEL DATA -o NEW`.")
