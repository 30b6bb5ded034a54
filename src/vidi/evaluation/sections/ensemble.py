"""What several trainings as one model gain over the best of them, and what they cost."""

from dataclasses import dataclass


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
