"""An ensemble of heads on frozen features: linear heads, each fitted without one fold, averaged into a single one."""

import copy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from vidi.groups import deal_learnable_folds
from vidi.networks.layers import Classifier
from vidi.networks.pretrained.backbone import set_head
from vidi.training.data import TrainingData
from vidi.training.ensembles.combination import Combination, EnsembleMember
from vidi.training.heads.linear import HeadTrial, LinearHead
from vidi.training.heads.transfer import fit_again
from vidi.training.train import TrainedNetwork
from vidi.workflows.ensembles.ensemble import EnsemblePlan
from vidi.workflows.interaction.events import Events
from vidi.workflows.run.prepare import Prepared


def average_heads(
    trained: TrainedNetwork,
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    data: TrainingData,
    *,
    prepared: Prepared,
    best: HeadTrial,
    plan: EnsemblePlan,
    events: Events,
) -> TrainedNetwork:
    """The network with the mean of as many heads as the plan says, which is a linear head again and costs no more.

    Its gain can be measured on the test images only: of all others most of the heads have seen each.

    Args:
        trained: with the head that was fitted on all these images.
        features: (rows, features) float32.
        rows: (rows,) which images they are of.
        data: the labels.
        prepared: the groups of the images.
        best: kind, strength and sharpness of the heads.
        plan: how many.
        events: told the outcome.
    """
    weighting = trained.recipe.class_weights
    groups = [prepared.split.groups[row] for row in rows.tolist()]
    fold_of = deal_learnable_folds(groups, labels=data.strata[rows], folds=plan.count, seed=trained.recipe.seed)
    heads = [
        fit_again(features[fold_of != fold], rows[fold_of != fold], data, best, weighting=weighting)
        for fold in range(plan.count)
    ]
    single = trained.single
    network = copy.deepcopy(single)
    mean = LinearHead(np.mean([head.weight for head in heads], axis=0), np.mean([head.bias for head in heads], axis=0))
    set_head(network, torch.from_numpy(mean.weight), torch.from_numpy(mean.bias))
    combination = _describe(plan, fold_of, single, seed=trained.recipe.seed)
    events.say(f"ensemble: {combination.sentence}")
    return replace(trained, network=network, combination=combination)


def _describe(plan: EnsemblePlan, fold_of: NDArray[np.int64], single: Classifier, *, seed: int) -> Combination:
    numbers = range(1, plan.count + 1)
    held_out = np.bincount(fold_of[fold_of >= 0], minlength=plan.count).tolist()
    return Combination(
        way="heads",
        by="folds",
        asked=plan.count,
        members=tuple(
            EnsembleMember(
                number=number,
                seed=seed,
                held_out=held_out[number - 1],
                epochs=0,
                seconds=0.0,
                stopped_by="plan",
                accuracy=None,
                log_loss=None,
            )
            for number in numbers
        ),
        used=tuple(numbers),
        trials=(),
        single=single,
        single_name="the head fitted on all images",
        gain=None,
        sentence=f"the mean of {plan.count} linear heads, each fitted without one fold, is a linear head: one network",
    )
