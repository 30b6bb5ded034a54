"""An ensemble of heads on frozen features: linear heads, each fitted without one fold, averaged into a single one."""

import copy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from vidi.groups import deal_learnable_folds
from vidi.networks.layers import Classifier
from vidi.networks.pretrained.backbone import set_head
from vidi.report.words.progress.ensembles import describe_decision
from vidi.training.ensembles.combination import Combination, EnsembleMember
from vidi.training.ensembles.decision import Decision
from vidi.training.heads.linear import LinearHead
from vidi.training.train import TrainedNetwork
from vidi.workflows.ensembles.ensemble import EnsemblePlan
from vidi.workflows.pretrained.fitted import Head
from vidi.workflows.run.context import Context
from vidi.workflows.run.prepare import Prepared


def average_heads(
    context: Context, prepared: Prepared, trained: TrainedNetwork, head: Head, *, plan: EnsemblePlan
) -> TrainedNetwork:
    """Average the planned number of heads into one linear head of the same cost.

    Its gain can be measured on the test images only: of all others most of the heads have seen each.

    Args:
        context: its events receive the result.
        prepared: the groups of the images.
        trained: with the head that was fitted on all these images.
        head: what that was fitted from.
        plan: how many.
    """
    groups, labels = [prepared.split.groups[row] for row in head.rows.tolist()], head.data.strata[head.rows]
    fold_of = deal_learnable_folds(groups, labels=labels, folds=plan.count, seed=trained.recipe.seed)
    heads = [head.fitted_on(fold_of != fold) for fold in range(plan.count)]
    single = trained.single
    network = copy.deepcopy(single)
    mean = LinearHead(np.mean([one.weight for one in heads], axis=0), np.mean([one.bias for one in heads], axis=0))
    set_head(network, torch.from_numpy(mean.weight), torch.from_numpy(mean.bias))
    combination = _describe(plan, fold_of, single, seed=trained.recipe.seed)
    context.events.say(f"ensemble: {describe_decision(combination.decision)}")
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
        single_number=None,
        gain=None,
        decision=Decision(by="linear", count=plan.count),
    )
