"""The figures of an evaluation, each with its interval and n, also as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from vidi.evaluation.sections import BESIDE, by_fields, from_plain, key, rounded
from vidi.metrics.arrays import Counts
from vidi.metrics.calibration import PerfectBand, ReliabilityBin
from vidi.metrics.intervals import LEVEL, Interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """Measured number with its interval and number of images."""

    value: float | None  # None: no data
    interval: Interval | None  # at the 95 % level
    image_count: int

    @property
    def low(self) -> float | None:
        """The lower end of the interval; None where there is none."""
        return None if self.interval is None else self.interval.low

    @property
    def high(self) -> float | None:
        """The upper end of the interval; None where there is none."""
        return None if self.interval is None else self.interval.high

    def as_json(self) -> dict[str, float | int | None]:
        """`value`, `low`, `high` and `n`; null where there is no data."""
        return {
            "value": rounded(self.value),
            "low": rounded(self.low),
            "high": rounded(self.high),
            "n": self.image_count,
        }

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(
            value=entries["value"], interval=_interval(entries["low"], entries["high"]), image_count=entries["n"]
        )


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class."""

    name: str = field(metadata=key("class"))
    image_count: int = field(metadata=key("images"))  # of the class; 0: not tested, every figure is None
    call_count: int = field(metadata=key("calls"))  # images that were predicted as this class
    precision: Estimate
    recall: Estimate
    f1: Estimate
    roc_area: Estimate  # of its probability against all other classes
    average_precision: Estimate


@dataclass(frozen=True, slots=True)
class CalibrationFigures:
    """Calibration of the probabilities."""

    error: float | None
    bins: tuple[ReliabilityBin, ...]
    band: PerfectBand | None  # what a perfectly calibrated model would show by chance

    @property
    def points(self) -> list[tuple[ReliabilityBin, Interval | None]]:
        """Each bin with what a perfectly calibrated model would show in it."""
        band = [None] * len(self.bins) if self.band is None else self.band.accuracies
        return list(zip(self.bins, band, strict=True))

    def as_json(self) -> dict[str, object]:
        return {
            "error": rounded(self.error),
            **_band_as_json(None if self.band is None else self.band.calibration_error),
            "bins": [
                {
                    "confidence": rounded(one.confidence),
                    "accuracy": rounded(one.accuracy),
                    "n": one.image_count,
                    **_band_as_json(perfect),
                }
                for one, perfect in self.points
            ],
        }

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        overall, *perfect = (_interval(one["perfect_low"], one["perfect_high"]) for one in (entries, *entries["bins"]))
        known = tuple(one for one in perfect if one is not None)
        return cls(
            error=entries["error"],
            bins=tuple(ReliabilityBin(one["confidence"], one["accuracy"], one["n"]) for one in entries["bins"]),
            band=None if overall is None else PerfectBand(overall, known),
        )


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Images of one class that were predicted as another."""

    true: str
    predicted: str
    image_count: int = field(metadata=key("n"))


@dataclass(frozen=True, slots=True)
class Curves:
    """One class's curves, thinned for drawing."""

    name: str = field(metadata=key("class"))
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """How many independent units the figures rest on."""

    group_count: int = field(metadata=key("groups"))  # the number of images if there are no groups
    interval_method: str  # `wilson` for independent images, else `group-bootstrap`


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanOfClasses:
    """Figures that are means over the classes with test images."""

    recall: Estimate = field(metadata=key("balanced_accuracy"))
    precision: Estimate = field(metadata=key("macro_precision"))
    f1: Estimate = field(metadata=key("macro_f1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingFigures:
    """How well the probabilities rank images; means over the tested classes."""

    roc_area: float | None = field(metadata=key("macro_roc_area"))
    average_precision: float | None = field(metadata=key("macro_average_precision"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistakes:
    """What is taken for what."""

    confusion: Counts | None  # rows are true classes; None above 200 classes
    confused_pairs: tuple[ConfusedPair, ...]  # most frequent first


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All figures that were measured on one set of test images."""

    classes: tuple[str, ...]  # in the order of all tables
    image_count: int = field(metadata=key("images"))  # number of test images
    units: Units = field(metadata=BESIDE)
    accuracy: Estimate  # share of images that are classified correctly
    macro: MeanOfClasses = field(metadata=BESIDE)
    hamming_loss: Estimate | None = None  # share of wrong image-class pairs; None for one label each
    top_k: Mapping[int, Estimate]  # share of images whose class is among the k most probable
    log_loss: Estimate  # mean of -log(probability of the true class)
    brier_loss: Estimate  # mean squared distance of the probabilities from the truth, 0 to 2
    ranking: RankingFigures = field(metadata=BESIDE)
    most_common_share: float | None  # accuracy of always predicting the most common class
    calibration: CalibrationFigures  # error of the probabilities, and its bins
    per_class: tuple[ClassFigures, ...]  # in the order of `classes`
    mistakes: Mistakes = field(metadata=BESIDE)
    curves: tuple[Curves, ...]  # ROC and precision-recall of each class

    def as_json(self) -> dict[str, object]:
        """Return the figures as in metrics.json; missing data is null, never NaN."""
        entries = by_fields(self, is_rounded=True)
        del entries["classes"]
        method = entries.pop("interval_method")
        confusion = None if self.mistakes.confusion is None else self.mistakes.confusion.tolist()
        return {
            "images": self.image_count,
            "groups": self.units.group_count,
            "interval": {"level": LEVEL, "method": method},
            **entries,
            "confusion": confusion,
        }

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote: every figure, to six decimals."""
        classes = [one["class"] for one in entries["per_class"]]
        return from_plain(cls, {**entries, "classes": classes, "interval_method": entries["interval"]["method"]})


def _interval(low: float | None, high: float | None) -> Interval | None:
    return None if low is None or high is None else Interval(low, high)


def _band_as_json(perfect: Interval | None) -> dict[str, float | None]:
    return {
        "perfect_low": None if perfect is None else rounded(perfect.low),
        "perfect_high": None if perfect is None else rounded(perfect.high),
    }
