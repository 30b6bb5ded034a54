"""What a run finds out about its images beside the network: label errors, and what more images would bring."""

from dataclasses import dataclass, field

from vidi.evaluation.sections.plain import key


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelErrors:
    """How many labels may be wrong."""

    images: int  # looked at
    listed: int  # in label_errors.csv
    left_out: int  # of training
    accuracy: float | None = None  # on these images, where it is too low to doubt any label


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtedLabel:
    """A test image whose label is likely wrong, by a model that was not trained on it."""

    path: str  # escaped
    label: str  # escaped; of several classes joined by `|`
    suggested: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The power law through measured errors; see `vidi.metrics.learning_curve.PowerLaw`."""

    floor: float
    scale: float
    exponent: float
    unit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedGain:
    """How much less the error would be with twice the images, as a share of them."""

    error: float  # with the images that there are
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GainOfClass:
    """The same for the images of one class."""

    name: str = field(metadata=key("class"))
    error: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningFigures:
    """Errors by the number of images, and what twice as many would bring."""

    features_of: str  # the network whose features they were measured on
    held_out: int  # images that the errors are of
    images: int  # that there are
    counts: tuple[float, ...]  # images learnt from, ascending
    errors: tuple[float, ...]  # at each count
    law: Law | None = None
    gain: ExpectedGain
    per_class: tuple[GainOfClass, ...]
    reach: tuple[tuple[float, float, float, float], ...]  # images, error, and its band, for the figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Studied:
    """What study.json holds; None where it was not looked at."""

    label_errors: LabelErrors | None = None
    learning_curve: LearningFigures | None = None
