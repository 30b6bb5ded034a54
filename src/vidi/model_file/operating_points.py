"""Where a model file draws the line: from which probability on an image is called a class, and what that costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vidi.errors import ModelError
from vidi.model_file.limits import BASES, Basis
from vidi.model_file.values import (
    Json,
    entry,
    integer_entry,
    list_entry,
    number_entry,
    number_or_none,
    numbers_entry,
    object_entry,
    text_entry,
    text_or_none,
    wrong_value,
)

Measure = Literal["recall", "precision", "false-alarms", "costs", "f1"]

MEASURES: tuple[Measure, ...] = ("recall", "precision", "false-alarms", "costs", "f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPoint:
    """One class's threshold, and what was seen with it on images that were not used for training."""

    name: str
    threshold: float | None  # images at least so probable are called the class; None: no image is
    is_promised: bool  # the bound keeps the target
    bound: float | None  # of the target rate, one-sided; None: nothing can be said
    image_count: int  # of the class
    found: int  # of these, called so
    other_count: int  # images that do not show it
    alarms: int  # of these, called so


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoints:
    """A target, and the thresholds or costs that keep it."""

    measure: Measure
    share: float | None  # the target: recall, precision, or false alarms at most; None for costs and F1
    level: float  # how certain a promise is
    basis: Basis
    image_count: int
    positive: str | None = None  # the one class that it is about; every answer is then this class, or the best other
    points: tuple[ClassPoint, ...] = ()  # one for each class that has a threshold
    costs: tuple[tuple[float, ...], ...] | None = None  # row = true class, column = answer, in the model's order
    mean_cost: float | None = None  # of an image, on those

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


def points_to_json(points: OperatingPoints) -> dict[str, Json]:
    """The operating points as plain values, for the file and for `vidi inspect --json`."""
    return {
        "measure": points.measure,
        "share": points.share,
        "level": points.level,
        "basis": points.basis,
        "image_count": points.image_count,
        "positive": points.positive,
        "thresholds": [
            {
                "class": point.name,
                "threshold": point.threshold,
                "promised": point.is_promised,
                "bound": point.bound,
                "images": point.image_count,
                "found": point.found,
                "others": point.other_count,
                "alarms": point.alarms,
            }
            for point in points.points
        ],
        "costs": None if points.costs is None else [list(row) for row in points.costs],
        "mean_cost": points.mean_cost,
    }


def points_from_json(document: Mapping[str, Json] | None) -> OperatingPoints | None:
    """What `points_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing or of the wrong kind.
    """
    if document is None:
        return None
    costs = None if entry(document, "costs") is None else list_entry(document, "costs")
    return OperatingPoints(
        measure=_measure(text_entry(document, "measure")),
        share=number_or_none(document, "share"),
        level=number_entry(document, "level"),
        basis=_basis(text_entry(document, "basis")),
        image_count=integer_entry(document, "image_count"),
        positive=text_or_none(document, "positive"),
        points=tuple(_point(value) for value in list_entry(document, "thresholds")),
        costs=None if costs is None else tuple(numbers_entry({"costs": row}, "costs") for row in costs),
        mean_cost=number_or_none(document, "mean_cost"),
    )


def _point(value: Json) -> ClassPoint:
    document = object_entry({"threshold": value}, "threshold")
    promised = entry(document, "promised")
    if not isinstance(promised, bool):
        raise wrong_value("promised", "true or false", promised)
    return ClassPoint(
        name=text_entry(document, "class"),
        threshold=number_or_none(document, "threshold"),
        is_promised=promised,
        bound=number_or_none(document, "bound"),
        image_count=integer_entry(document, "images"),
        found=integer_entry(document, "found"),
        other_count=integer_entry(document, "others"),
        alarms=integer_entry(document, "alarms"),
    )


def _measure(text: str) -> Measure:
    for one in MEASURES:
        if one == text:
            return one
    raise ModelError(
        f"the operating point's measure is {text!r}", f"This vidi knows {', '.join(MEASURES)}; install a newer one."
    )


def _basis(text: str) -> Basis:
    for one in BASES:
        if one == text:
            return one
    raise wrong_value("operating point's basis", " or ".join(BASES), text)


def _contradiction(what: str) -> ModelError:
    return ModelError(f"the operating points hold a {what}", "Choose them again: `vidi calibrate MODEL DATA -o NEW`.")
