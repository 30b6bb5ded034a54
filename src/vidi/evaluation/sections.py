"""The sections of metrics.json that nothing in `evaluation/` measures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from vidi.evaluation.scores import Estimate
from vidi.images.account import Account
from vidi.metrics.learning_curve import Gain, PowerLaw
from vidi.model_file.values import ROUND, from_plain, key


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyGain:
    """How much more often one model is right than another about the same images."""

    value: float  # a share of the images
    low: float
    high: float
    images: int
    gained: int  # newly correct
    lost: int  # newly wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFigures:
    """One of the trainings."""

    number: int  # from 1
    seed: int
    epochs: int
    seconds: float
    stopped_by: str = ""
    accuracy: float | None  # on the validation images; None where there are none
    log_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFigures:
    """One way to make one network of them, as the validation images saw it."""

    name: str
    accuracy: float
    log_loss: float
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Milliseconds:
    """How long an image takes."""

    ensemble: float
    single: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleFigures:
    """The section `ensemble`; see `vidi.training.combination.Combination`."""

    way: str
    asked: int
    used: tuple[int, ...]
    compared_with: str
    sentence: str
    members: tuple[MemberFigures, ...]
    trials: tuple[TrialFigures, ...]
    validation: AccuracyGain | None
    test: AccuracyGain | None
    milliseconds: Milliseconds | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """Which model the figures are of."""

    id: str
    run: str
    weights_digest: str | None = None
    date: str | None = None  # ISO 8601; None of an evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What the images are. An evaluation names the data; a run says how many there are, and of what."""

    source: str  # as it was named, escaped
    reader: str | None = None
    name: str | None = None
    digest: str | None = None  # of all images
    test_digest: str | None = None
    images: int | None = None
    parts: Mapping[str, int] | None = None  # images in each
    classes: Mapping[str, int] | None = None  # images of each, all parts together
    split_rule: str | None = None
    feedback_learned: int | None = None  # images labelled in use, among those that the model was trained on
    feedback_weight: float | None = None  # as how many other images each of these counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts:
    """What the split found."""

    leaks: tuple[str, ...]  # sentences
    untested_classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """How the network came about."""

    epochs: int
    best_epoch: int | None  # whose weights were kept
    stopped_by: str
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFacts:
    """Whether all scored images are held out from training, and how many were set aside."""

    unseen: bool
    set_aside: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNote:
    """One file that was not simply used; its path escaped."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What became of every path; see `vidi.images.account.Account`."""

    found: int
    used: int
    set_aside: tuple[FileNote, ...]
    refused: tuple[FileNote, ...]
    ignored: Mapping[str, int]  # by reason

    @classmethod
    def of(cls, account: Account) -> Self:
        """The account as it is written."""
        return from_plain(cls, account.as_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageShare:
    """A share of images, and their number."""

    value: float = field(metadata=ROUND)
    image_count: int = field(metadata=key("n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesOfClass:
    """Recall of one class, or accuracy of all images, in each part."""

    name: str = field(metadata=key("class"))  # empty: of all
    held_out: ImageShare
    test: ImageShare
    is_lower: bool = field(metadata=key("lower"))  # in the test part, beyond chance
    p_value: float | None = field(default=None, metadata=ROUND)  # of all: how often chance leaves the test so few


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSeparation:
    """How well features alone tell the two parts apart."""

    area: float = field(metadata=ROUND)  # under the ROC curve
    by_chance: float = field(metadata=ROUND)
    p_value: float = field(metadata=ROUND)
    held_out: int  # images
    test: int
    is_apart: bool = field(metadata=key("apart"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartComparison:
    """The section `two_parts`."""

    differs: bool
    accuracy: SharesOfClass
    classes: tuple[SharesOfClass, ...]
    features: FeatureSeparation | None
    loudest: tuple[str, ...]  # escaped paths of the test images that look least like what was learned


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelErrors:
    """How many labels may be wrong."""

    images: int  # looked at
    listed: int  # in label_errors.csv
    left_out: int  # of training
    accuracy: float | None = None  # on these images, where it is too low to doubt any label


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectTestLabel:
    """A test image whose label is likely wrong, by a model that was not trained on it."""

    path: str  # escaped
    label: str  # escaped; of several classes joined by `|`
    suggested: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedTest:
    """What people said of test images against the data, and the accuracy with the labels of the data alone."""

    relabelled: int
    left_out: int
    accuracy_as_given: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class GainOfClass:
    """How much less the error of one class would be with twice the images."""

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
    counts: tuple[float, ...]  # images learned from, ascending
    errors: tuple[float, ...]  # at each count
    law: PowerLaw | None = None
    gain: Gain
    per_class: tuple[GainOfClass, ...]
    reach: tuple[tuple[float, float, float, float], ...]  # images, error, and its band, for the figure


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDocument:
    """What study.json holds; None where it was not looked at."""

    label_errors: LabelErrors | None = None
    learning_curve: LearningFigures | None = None
