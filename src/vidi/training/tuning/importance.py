"""Which hyperparameter mattered: the share of the results' spread that each explains, and how sure that is."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vidi.training.tuning.search_space import Hyperparameter

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

FEWEST_TRIALS = 8  # that ended by themselves; fewer say nothing of eight hyperparameters
RESAMPLES = 20
MOST_DRAWN = 100  # trials in a resample: of more the range comes out too wide rather than too late
TREES = 16
MIDDLE = 0.9  # of the resamples lie between `low` and `high`


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much of the spread of the results one hyperparameter explains."""

    name: str
    share: float  # 0 to 1; all hyperparameters together give 1
    low: float  # the middle 90 % of trials drawn again with replacement
    high: float


def importances(study: "Study", hyperparameters: Sequence[Hyperparameter], *, seed: int = 0) -> list[Importance]:
    """The hyperparameters by importance, the greatest first; empty where fewer than 8 trials ended by themselves.

    Source: Hutter et al. 2014, An efficient approach for assessing hyperparameter importance (functional ANOVA).
    """
    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if len(done) < FEWEST_TRIALS or len({trial.value for trial in done}) < 2:
        return []
    random = np.random.default_rng([seed, 0xF0A])
    whole = _shares(done, hyperparameters, seed=seed)
    drawn = [
        _shares(
            [done[index] for index in random.integers(0, len(done), min(MOST_DRAWN, len(done)))],
            hyperparameters,
            seed=seed,
        )
        for _ in range(RESAMPLES)
    ]
    found = []
    for hyperparameter in hyperparameters:
        low, high = np.quantile(
            [shares.get(hyperparameter.name, 0.0) for shares in drawn], [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2]
        )
        share = whole.get(hyperparameter.name, 0.0)
        found.append(
            Importance(name=hyperparameter.name, share=share, low=min(float(low), share), high=max(float(high), share))
        )
    return sorted(found, key=lambda one: -one.share)


def _shares(
    trials: "Sequence[FrozenTrial]", hyperparameters: Sequence[Hyperparameter], *, seed: int
) -> dict[str, float]:
    """Importance by hyperparameter, from these trials alone."""
    import optuna

    study = optuna.create_study(direction="maximize")
    study.add_trials(
        optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=trial.value)
        for trial in trials
    )
    if len({trial.value for trial in trials}) < 2:
        return {}
    names = [
        hyperparameter.name
        for hyperparameter in hyperparameters
        if len({trial.params[hyperparameter.name] for trial in trials}) > 1
    ]  # what never moved explains nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed, n_trees=TREES)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=names)
    return {name: float(share) for name, share in found.items()}
