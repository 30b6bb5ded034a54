"""What is known of several trainings that became one network, and why they were combined as they were."""

from dataclasses import asdict, dataclass
from typing import Literal

from vidi.metrics.paired import PairedComparison
from vidi.networks.layers import Classifier

Way = Literal["probabilities", "weights", "single"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinationTrial:
    """One way to make one network of them, as the validation images saw it."""

    name: str
    accuracy: float
    log_loss: float
    members: tuple[int, ...]  # their numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What decided, and between what."""

    by: Literal["validation", "no-validation", "interrupted"]
    count: int  # trainings
    averaged: str = "probabilities"  # what the mean is of
    kept: CombinationTrial | None = None  # the one that the validation images chose
    others: tuple[CombinationTrial, ...] = ()  # those it was compared with
    image_count: int = 0  # validation images


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleMember:
    """One of the trainings."""

    number: int  # from 1
    seed: int
    epochs: int
    seconds: float
    stopped_by: str
    accuracy: float | None  # on the validation images; None where there are none
    log_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Several trainings as one network: how, and what it gains over the best of them."""

    way: Way  # probabilities or weights averaged; or the best single training, where that is better
    asked: int  # trainings that were asked for
    members: tuple[EnsembleMember, ...]
    used: tuple[int, ...]  # numbers of those that are in the network, the best first
    trials: tuple[CombinationTrial, ...]
    single: Classifier  # what it is compared with: the best single training
    single_number: int  # of that training
    gain: PairedComparison | None  # in accuracy on the validation images; None where that could not be measured
    decision: Decision  # why the way was chosen

    def as_json(self) -> dict[str, object]:
        """Plain values for metrics.json, which gets the sentences beside them."""
        return {
            "way": self.way,
            "asked": self.asked,
            "used": list(self.used),
            "members": [_rounded(asdict(member)) for member in self.members],
            "trials": [_rounded(asdict(trial)) for trial in self.trials],
            "validation": None if self.gain is None else self.gain.gain_as_json(),
        }


def _rounded(values: dict[str, object]) -> dict[str, object]:
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in plain.items()}
