"""From several trained networks to one: their averaged probabilities, or the best single one where that is better."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.outputs import SOFTMAX, Outputs
from vidi.metrics.paired import PairedComparison, compare_paired
from vidi.networks.layers import Classifier
from vidi.networks.side_by_side import Ensemble, Network
from vidi.numbers import percent
from vidi.training.data import TrainingData
from vidi.training.loop.objective import InputNormalisation, answer

Way = Literal["probabilities", "single"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinationTrial:
    """One way to make one network of them, as the validation images saw it."""

    name: str
    accuracy: float
    log_loss: float
    members: tuple[int, ...]  # their numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One network of several, and why it is made this way."""

    network: Network
    way: Way
    used: tuple[int, ...]  # positions among the given networks, the best first
    best: int  # position of the best single one
    trials: tuple[CombinationTrial, ...]  # first the single ones, in the given order
    gain: PairedComparison | None
    reason: str  # in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Several trainings as one network: how, and what it is compared with."""

    way: Way  # probabilities averaged; or the best single training, where that is clearly better
    reason: str  # why the way was chosen, in words
    single: Classifier  # what it is compared with: the best single training
    single_number: int  # of that training, from 1
    figures: Mapping[str, object]  # for metrics.json: the trainings, what was tried, the gain on the validation images


def choose_combination(
    networks: Sequence[Classifier],
    data: TrainingData,
    *,
    normalisation: InputNormalisation,
    groups: Counts | None,
) -> Choice:
    """The network that several trainings become.

    Probabilities are averaged, unless on the validation images that is clearly worse than the best single training:
    less often right, and its log loss higher by more than one standard error of the paired difference. Then that
    training is kept alone. Each is judged at the temperature that suits it best.

    Args:
        groups: (validation images,) int; images of one group count as one observation. None: each its own.
    """
    if not len(data.validation_rows):
        why = "there is no validation image to compare them with single trainings on"
        return average_all(networks, why=why, outputs=data.truth.outputs)
    single = [
        _try_network(f"training {number} alone", network, (number,), data=data, normalisation=normalisation)
        for number, network in enumerate(networks, start=1)
    ]
    order = sorted(range(len(networks)), key=lambda index: single[index].rank, reverse=True)
    outputs = data.truth.outputs
    averaged = _try_network(
        f"averaged {outputs.averaged}",
        Ensemble([networks[index] for index in order], outputs=outputs),
        tuple(index + 1 for index in order),
        data=data,
        normalisation=normalisation,
    )
    best = single[order[0]]
    alone = averaged.is_clearly_worse_than(best)
    chosen, other = (best, averaged) if alone else (averaged, best)
    return Choice(
        network=chosen.network,
        way="single" if alone else "probabilities",
        used=tuple(number - 1 for number in chosen.trial.members),
        best=order[0],
        trials=tuple(one.trial for one in (*single, averaged)),
        gain=compare_paired(best.right, chosen.right, groups=groups),
        reason=(
            f"kept {chosen.described()} accuracy on {len(data.validation_rows):,} validation images; "
            f"{other.described()}"
        ),
    )


def average_all(networks: Sequence[Classifier], *, why: str, outputs: Outputs = SOFTMAX) -> Choice:
    """All of them with their probabilities averaged, without asking the validation images."""
    return Choice(
        network=Ensemble(networks, outputs=outputs),
        way="probabilities",
        used=tuple(range(len(networks))),
        best=0,
        trials=(),
        gain=None,
        reason=f"averaged the {outputs.averaged} of {len(networks)} networks: {why}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """A network and its answers about the validation images."""

    network: Network
    trial: CombinationTrial
    right: NDArray[np.bool_]  # (validation images,)
    losses: Floats  # (validation images,)
    by_loss: bool  # images may show several classes, where being right about all is rare

    @property
    def rank(self) -> tuple[float, float]:
        """Higher is better: most right, then lowest log loss; the log loss alone where it is to be judged by that."""
        return 0.0 if self.by_loss else self.trial.accuracy, -self.trial.log_loss

    def described(self) -> str:
        """Its name and accuracy."""
        return f"{self.trial.name} {percent(self.trial.accuracy, digits=1)}"

    def is_clearly_worse_than(self, other: "_Tried") -> bool:
        """Less often right, and a log loss that is higher by more than one standard error of the difference."""
        differences = self.losses - other.losses
        standard_error = float(differences.std() / math.sqrt(max(1, len(differences) - 1)))
        return self.trial.accuracy < other.trial.accuracy and float(differences.mean()) > standard_error


def _try_network(
    name: str, network: Network, members: tuple[int, ...], *, data: TrainingData, normalisation: InputNormalisation
) -> _Tried:
    """Its answers about the validation images, and what they are worth."""
    rows = data.validation_rows
    truth = data.truth.at(rows)
    bare = answer(network, data.images, rows, normalisation=normalisation, outputs=truth.outputs).astype(np.float64)
    # Calibration comes for any of them afterwards; a mean is less sure of itself, and must not suffer for it here.
    right, losses = truth.correct(bare), truth.calibrated_log_losses(bare)
    trial = CombinationTrial(name=name, accuracy=float(right.mean()), log_loss=float(losses.mean()), members=members)
    return _Tried(network=network, trial=trial, right=right, losses=losses, by_loss=truth.is_judged_by_loss)
