"""The figures of an evaluation, each with its interval and n, also as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass

from vidi.metrics.arrays import Counts
from vidi.metrics.calibration import PerfectBand, ReliabilityBin
from vidi.metrics.intervals import Interval

DIGITS = 6  # decimals in JSON: finer than any interval, and the file stays readable


@dataclass(frozen=True, slots=True)
class Estimate:
    """Measured number with its interval and number of images."""

    value: float | None  # None: no data
    interval: Interval | None  # at the 95 % level
    image_count: int

    def as_json(self) -> dict[str, float | int | None]:
        """`value`, `low`, `high` and `n`; null where there is no data."""
        return {
            "value": rounded(self.value),
            "low": None if self.interval is None else rounded(self.interval.low),
            "high": None if self.interval is None else rounded(self.interval.high),
            "n": self.image_count,
        }


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class."""

    name: str
    image_count: int  # images of the class; 0: not tested, every figure is None
    call_count: int  # images that were predicted as this class
    precision: Estimate
    recall: Estimate
    f1: Estimate
    roc_area: Estimate  # of its probability against all other classes
    average_precision: Estimate

    def as_json(self) -> dict[str, object]:
        return {
            "class": self.name,
            "images": self.image_count,
            "calls": self.call_count,
            "precision": self.precision.as_json(),
            "recall": self.recall.as_json(),
            "f1": self.f1.as_json(),
            "roc_area": self.roc_area.as_json(),
            "average_precision": self.average_precision.as_json(),
        }


@dataclass(frozen=True, slots=True)
class CalibrationFigures:
    """Calibration of the probabilities."""

    error: float | None
    bins: tuple[ReliabilityBin, ...]
    band: PerfectBand | None  # what a perfectly calibrated model would show by chance

    def as_json(self) -> dict[str, object]:
        band = self.band
        return {
            "error": rounded(self.error),
            "perfect_low": None if band is None else rounded(band.calibration_error.low),
            "perfect_high": None if band is None else rounded(band.calibration_error.high),
            "bins": [
                {
                    "confidence": rounded(one.confidence),
                    "accuracy": rounded(one.accuracy),
                    "n": one.image_count,
                    "perfect_low": None if band is None else rounded(band.accuracies[number].low),
                    "perfect_high": None if band is None else rounded(band.accuracies[number].high),
                }
                for number, one in enumerate(self.bins)
            ],
        }


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Images of one class that were predicted as another."""

    true: str
    predicted: str
    image_count: int


@dataclass(frozen=True, slots=True)
class Curves:
    """One class's curves, thinned for drawing."""

    name: str
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All figures that were measured on one set of test images."""

    classes: tuple[str, ...]  # in the order of all tables
    image_count: int  # number of test images
    group_count: int  # independent units; equal to `image_count` if there are no groups
    interval_method: str  # `wilson` for independent images, else `group-bootstrap`
    accuracy: Estimate  # share of images that are classified correctly
    balanced_accuracy: Estimate  # mean recall of the classes with test images
    macro_precision: Estimate  # mean precision of these classes
    macro_f1: Estimate  # mean F1 of these classes
    top_k: Mapping[int, Estimate]  # share of images whose class is among the k most probable
    log_loss: Estimate  # mean of -log(probability of the true class)
    brier_loss: Estimate  # mean squared distance of the probabilities from the truth, 0 to 2
    roc_area: float | None  # mean over the tested classes
    average_precision: float | None  # mean over the tested classes
    most_common_share: float | None  # accuracy of always predicting the most common class
    calibration: CalibrationFigures  # error of the probabilities, and its bins
    per_class: tuple[ClassFigures, ...]  # in the order of `classes`
    confusion: Counts | None  # rows are true classes; None above 200 classes
    confused_pairs: tuple[ConfusedPair, ...]  # most frequent first
    curves: tuple[Curves, ...]  # ROC and precision-recall of each class
    hamming_loss: Estimate | None = None  # share of wrong image-class pairs; None for one label each

    def as_json(self) -> dict[str, object]:
        """Return the figures as in metrics.json; missing data is null, never NaN."""
        several = {} if self.hamming_loss is None else {"hamming_loss": self.hamming_loss.as_json()}
        return {
            "images": self.image_count,
            "groups": self.group_count,
            "interval": {"level": 0.95, "method": self.interval_method},
            "accuracy": self.accuracy.as_json(),
            "balanced_accuracy": self.balanced_accuracy.as_json(),
            "macro_precision": self.macro_precision.as_json(),
            "macro_f1": self.macro_f1.as_json(),
            **several,
            "top_k": {str(k): estimate.as_json() for k, estimate in self.top_k.items()},
            "log_loss": self.log_loss.as_json(),
            "brier_loss": self.brier_loss.as_json(),
            "macro_roc_area": rounded(self.roc_area),
            "macro_average_precision": rounded(self.average_precision),
            "most_common_share": rounded(self.most_common_share),
            "calibration": self.calibration.as_json(),
            "per_class": [figures.as_json() for figures in self.per_class],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "confused_pairs": [
                {"true": pair.true, "predicted": pair.predicted, "n": pair.image_count} for pair in self.confused_pairs
            ],
            "curves": [
                {
                    "class": curves.name,
                    "false_positive_rate": list(curves.false_positive_rate),
                    "true_positive_rate": list(curves.true_positive_rate),
                    "recall": list(curves.recall),
                    "precision": list(curves.precision),
                }
                for curves in self.curves
            ],
        }


def rounded(value: float | None) -> float | None:
    """A number as JSON takes it.

    >>> rounded(2 / 3)
    0.666667
    """
    return None if value is None else round(float(value), DIGITS)
