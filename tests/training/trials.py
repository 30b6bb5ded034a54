"""Trials of a study, begun and ended as a search does it, without any training."""

from collections.abc import Callable, Sequence

import pytest
from optuna import Study, Trial

from vidi.training.tuning import study as studies
from vidi.training.tuning.search_space import Hyperparameter, Value
from vidi.training.tuning.trial import TrialResult


class KilledError(BaseException):
    """As if the process had been killed: nothing is recorded any more."""


def run(
    study: Study,
    hyperparameters: Sequence[Hyperparameter],
    result: Callable[[Trial, dict[str, Value]], TrialResult],
    *,
    worker: str = "w",
) -> tuple[int, dict[str, Value]]:
    """Have the next trial end with a result: its number, and where its hyperparameters stood."""
    tried: list[dict[str, Value]] = []

    def attempt(trial: Trial, values: dict[str, Value]) -> TrialResult:
        tried.append(values)
        return result(trial, values)

    number = studies.run_next(study, hyperparameters, worker=worker, attempt=attempt)
    return number, tried[0]


def begin(study: Study, hyperparameters: Sequence[Hyperparameter], *, worker: str = "w") -> dict[str, Value]:
    """Begin the next trial, and end as a killed process does: where its hyperparameters stand."""
    tried: list[dict[str, Value]] = []

    def killed(_: Trial, values: dict[str, Value]) -> TrialResult:
        tried.append(values)
        raise KilledError

    with pytest.raises(KilledError):
        studies.run_next(study, hyperparameters, worker=worker, attempt=killed)
    return tried[0]
