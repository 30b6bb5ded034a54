"""The files of a search: tune.json, trials.csv, recipe.toml, tune.html."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidi.files import write_atomic, write_csv_atomic
from vidi.training.recipe import Recipe
from vidi.training.tuning.search_space import Hyperparameter, Value
from vidi.training.tuning.study import TrialRow
from vidi.workflows.interaction.run_folder import RECIPE, TUNING, TUNING_PAGE

TRIALS, JOURNAL = "trials.csv", "study.journal"
COLUMNS = ("trial", "state", "validation_accuracy", "validation_loss", "epochs", "seconds", "cause")


@dataclass(slots=True, kw_only=True)
class TuneFiles:
    """The document of one search, kept up to date after every trial."""

    folder: Path
    document: dict[str, Any]

    def write(self) -> None:
        """Write tune.json."""
        write_atomic(self.folder / TUNING, json.dumps(self.document, indent=1) + "\n")

    def begin(self, *, about: Mapping[str, Any], hyperparameters: Sequence[Hyperparameter]) -> None:
        """Note what is searched, before the first trial."""
        self.document |= {**about, "hyperparameters": [hyperparameter.as_dict() for hyperparameter in hyperparameters]}
        self.write()

    def after_trial(self, rows: Sequence[TrialRow], *, best: TrialRow | None, seconds_used: float) -> None:
        """Note the trials so far."""
        hyperparameters = [Hyperparameter.from_dict(values) for values in self.document["hyperparameters"]]
        self.document["trials"] = [row.as_dict() for row in rows]
        self.document["best_trial"] = None if best is None else best.number
        self.document["seconds_used"] = round(seconds_used, 1)
        write_csv_atomic(self.folder / TRIALS, _trial_rows(rows, hyperparameters))
        self.write()

    def conclude(self, *, state: str, finding: Mapping[str, Any] | None, recipe: Recipe) -> None:
        """Note the finding and write the recipe to use, and the page."""
        from vidi.report.pages.tune import write_tune_page

        self.document |= {
            "state": state,
            "finding": finding,
            "recipe": recipe.as_dict(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomic(self.folder / RECIPE, recipe.as_toml())
        self.write()
        write_tune_page(self.folder / TUNING_PAGE, self.document)


def _trial_rows(rows: Sequence[TrialRow], hyperparameters: Sequence[Hyperparameter]) -> Iterator[Sequence[object]]:
    """The rows of trials.csv: one for each trial, with where its hyperparameters stood."""
    yield [*COLUMNS, *(hyperparameter.name for hyperparameter in hyperparameters)]
    for row in rows:
        known = (row.accuracy, row.loss, row.epochs, row.seconds)
        of_hyperparameters = (_cell(row.values.get(hyperparameter.name)) for hyperparameter in hyperparameters)
        yield [row.number, row.state, *map(_cell, known), row.cause, *of_hyperparameters]


def _cell(value: Value | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
