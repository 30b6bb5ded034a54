"""From several trained networks to one: averaged weights where the validation images bear it, else probabilities."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.outputs import SOFTMAX, Outputs
from vidi.metrics.paired import PairedComparison, compare_paired
from vidi.networks.layers import Classifier
from vidi.networks.side_by_side import Ensemble, Network
from vidi.training.combination import CombinationTrial, Decision, Way
from vidi.training.data import TrainingData
from vidi.training.loop.objective import InputNormalisation, answer
from vidi.training.train import TrainedNetwork

PROBABILITIES: Way = "probabilities"
WEIGHTS: Way = "weights"
SINGLE: Way = "single"
Unjudged = Literal["no-validation", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One network of several, and why it is made this way."""

    network: Network
    way: Way
    used: tuple[int, ...]  # positions among the given networks, the best first
    best: int  # position of the best single one
    trials: tuple[CombinationTrial, ...]  # first the single ones, in the given order
    gain: PairedComparison | None
    decision: Decision


def choose_combination(trained: Sequence[TrainedNetwork], data: TrainingData, *, groups: Counts | None) -> Choice:
    """The network that several trainings become.

    Averaged weights cost no more than one network. They are kept where on the validation images their log loss is
    not above that of the best single training, and their accuracy at most one standard error of the paired difference
    below its accuracy and below that of averaged probabilities. Else probabilities are averaged, unless that is
    clearly worse than the best single training: less often right, and its log loss higher by more than a standard
    error. Then that training is kept alone. Each is judged at the temperature that suits it best.

    Args:
        trained: two or more, of one recipe and one normalisation.
        data: the validation images decide; the normalisations of averaged weights are measured on the training images.
        groups: (validation images,) int; images of one group count as one observation. None: each its own.
    """
    if not len(data.validation_rows):
        return average_all(trained, why="no-validation", outputs=data.truth.outputs)
    judge = _Judge(data, trained[0])
    single = [
        judge.try_network(f"training {number} alone", one.network, (number,)) for number, one in _numbered(trained)
    ]
    order = sorted(range(len(trained)), key=lambda index: single[index].rank, reverse=True)
    networks = [trained[index].single for index in order]
    numbers = tuple(index + 1 for index in order)
    outputs = data.truth.outputs
    averaged = judge.try_network(f"averaged {outputs.averaged}", Ensemble(networks, outputs=outputs), numbers)
    uniform, greedy = _soups(judge, networks, numbers)
    soup = max((uniform, greedy), key=lambda tried: tried.rank) if len(greedy.trial.members) > 1 else uniform
    best = single[order[0]]
    chosen, way = averaged, PROBABILITIES
    if soup.trial.log_loss <= best.trial.log_loss and soup.is_as_right_as(best) and soup.is_as_right_as(averaged):
        chosen, way = soup, WEIGHTS
    elif averaged.is_clearly_worse_than(best):
        chosen, way = best, SINGLE
    tried = (*single, averaged, uniform, greedy)
    return Choice(
        network=chosen.network,
        way=way,
        used=tuple(number - 1 for number in chosen.trial.members),
        best=order[0],
        trials=tuple(one.trial for one in tried),
        gain=compare_paired(best.right, chosen.right, groups=groups),
        decision=Decision(
            by="validation",
            count=len(trained),
            averaged=outputs.averaged,
            kept=chosen.trial,
            others=tuple(one.trial for one in (averaged, soup, best) if one is not chosen),
            image_count=judge.count,
        ),
    )


def average_all(trained: Sequence[TrainedNetwork], *, why: Unjudged, outputs: Outputs = SOFTMAX) -> Choice:
    """All of them with their probabilities averaged, which holds up in any case, without asking the validation images.

    Args:
        trained: of one recipe and one normalisation.
        why: nothing else was tried.
        outputs: of the networks.
    """
    ensemble = Ensemble([one.single for one in trained], outputs=outputs)
    return Choice(
        network=ensemble,
        way=PROBABILITIES,
        used=tuple(range(len(trained))),
        best=0,
        trials=(),
        gain=None,
        decision=Decision(by=why, count=len(trained), averaged=outputs.averaged),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """A network and its answers about the validation images."""

    network: Network
    trial: CombinationTrial
    right: NDArray[np.bool_]  # (validation images,)
    losses: Floats  # (validation images,)
    by_loss: bool = False  # images may show several classes, where being right about all is rare

    @property
    def rank(self) -> tuple[float, float]:
        """Higher is better: most right, then lowest log loss; the log loss alone where it is to be judged by that."""
        return 0.0 if self.by_loss else self.trial.accuracy, -self.trial.log_loss

    def is_as_right_as(self, other: "_Tried") -> bool:
        """Whether its accuracy is at most one standard error of the difference lower."""
        differences = self.right.astype(np.float64) - other.right
        # One image more or less is one standard error to the last digit: rounding must not decide.
        return float(differences.mean()) >= -_standard_error(differences) - 1e-9

    def is_clearly_worse_than(self, other: "_Tried") -> bool:
        """Less often right, and a log loss that is higher by more than one standard error of the difference."""
        differences = self.losses - other.losses
        return self.trial.accuracy < other.trial.accuracy and float(differences.mean()) > _standard_error(differences)


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std() / math.sqrt(max(1, len(values) - 1)))


class _Judge:
    """The validation images, asked about one network after another."""

    def __init__(self, data: TrainingData, example: TrainedNetwork) -> None:
        self.data, self.example = data, example
        self.count = len(data.validation_rows)

    def try_network(self, name: str, network: Network, members: tuple[int, ...]) -> _Tried:
        """Its answers about the validation images, and what they are worth."""
        rows = self.data.validation_rows
        normalisation = self.example.normalisation
        truth = self.data.truth.at(rows)
        bare = answer(network, self.data.images, rows, normalisation=normalisation, outputs=truth.outputs)
        bare = bare.astype(np.float64)
        # Calibration comes for any of them afterwards; a mean is less sure of itself, and must not suffer for it here.
        right, losses = truth.correct(bare), truth.calibrated_log_losses(bare)
        trial = CombinationTrial(
            name=name, accuracy=float(right.mean()), log_loss=float(losses.mean()), members=members
        )
        return _Tried(network=network, trial=trial, right=right, losses=losses, by_loss=truth.is_judged_by_loss)

    def average(self, networks: Sequence[Classifier]) -> Classifier:
        """Their averaged weights; normalisations that a recipe leaves as they were stay so."""
        rows = None if self.example.recipe.frozen_batch_norm else self.data.train_rows
        return average_weights(networks, self.data.images, rows=rows, normalisation=self.example.normalisation)


def _soups(judge: _Judge, networks: Sequence[Classifier], numbers: tuple[int, ...]) -> tuple[_Tried, _Tried]:
    """Averaged weights of all, and of those that make the mean no worse when they are added."""
    uniform = judge.try_network("averaged weights", judge.average(networks), numbers)
    mean, chosen = greedy_soup(
        networks,
        average=judge.average,
        loss=lambda network: judge.try_network("", network, ()).trial.log_loss,
    )
    return uniform, judge.try_network(
        "averaged weights, chosen one by one", mean, tuple(numbers[index] for index in chosen)
    )


def _numbered(trained: Sequence[TrainedNetwork]) -> list[tuple[int, TrainedNetwork]]:
    return list(enumerate(trained, start=1))


BATCH = 128
MOST_FOR_STATISTICS = 2_048  # training images that show what the averaged network's normalisations see


@torch.no_grad()
def average_weights(
    networks: Sequence[Classifier],
    images: NDArray[np.uint8],
    *,
    rows: NDArray[np.int64] | None,
    normalisation: InputNormalisation,
) -> Classifier:
    """One network whose weights are the mean of the given ones', its normalisations measured again.

    Args:
        networks: of one kind and shape.
        images: (images, height, width, 3) uint8, framed.
        rows: training images; of very many some are looked at. None: what the normalisations remember is averaged too.
        normalisation: what the networks want to see.

    Source: Wortsman et al. 2022, Model soups: averaging weights of multiple fine-tuned models improves accuracy
    without increasing inference time.
    """
    mean = copy.deepcopy(networks[0])
    others = [network.state_dict() for network in networks]
    for name, tensor in mean.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.stack([weights[name].to(torch.float64) for weights in others]).mean(dim=0))
    if rows is not None:
        renew_statistics(mean, images, rows=rows, normalisation=normalisation)
    return mean.eval().requires_grad_(False)


@torch.no_grad()
def renew_statistics(
    network: Classifier, images: NDArray[np.uint8], *, rows: NDArray[np.int64], normalisation: InputNormalisation
) -> None:
    """Measure on training images what each batch normalisation gets to see, in place of what it remembers.

    Args:
        network: changed in place.
        images: (images, height, width, 3) uint8, framed.
        rows: training images; of very many, evenly spaced ones are used. Of a single one nothing can be measured.
        normalisation: what the network wants to see.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms or len(rows) < 2:
        return
    some = rows[:: -(-len(rows) // MOST_FOR_STATISTICS)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for piece in np.array_split(some, -(-len(some) // BATCH)):
        network(normalisation.inputs(images[piece]))
    network.eval()


def greedy_soup(
    networks: Sequence[Classifier],
    *,
    average: Callable[[Sequence[Classifier]], Classifier],
    loss: Callable[[Classifier], float],
) -> tuple[Classifier, list[int]]:
    """Networks are added one after the other, and kept in the mean where it then does no worse.

    Args:
        networks: the best first.
        average: makes one network of several.
        loss: of a network, on images that none of them was trained on; lower is better.

    Returns:
        The mean, and which of the networks are in it; the first alone where no other helps.

    Source: Wortsman et al. 2022, Model soups, algorithm 1.
    """
    chosen, mean = [0], networks[0]
    best = loss(mean)
    for number in range(1, len(networks)):
        candidate = average([networks[index] for index in (*chosen, number)])
        candidate_loss = loss(candidate)
        if candidate_loss <= best:
            chosen, mean, best = [*chosen, number], candidate, candidate_loss
    return mean, chosen
