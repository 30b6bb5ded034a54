"""The options of `vidi tune`, and how they are stored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from vidi.errors import UsageError
from vidi.options import Option, Part
from vidi.workflows.requests.train import TrainRequest

MINUTES = 30.0  # where the user gives no time
NOT_TUNED = (
    "background",
    "ensemble",
    "track",
    "pretrained",
    "freeze",
    "batch",
    "learning_rate",
    "optimizer",
    "loss",
    "patience",
    "device",
    "find_label_errors",
    "drop_suspects",
    "learning_curve",
    "max_error",
    "coverage",
    "recall",
    "precision",
    "false_alarms_per",
    "costs",
    "images",
    "keep_truncated",
    "overwrite",
    "parts",
    "seed",
    "workers",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """Options of `vidi tune`: those of a training, and those of the search."""

    training: Annotated[
        TrainRequest,
        Part(
            leave_out=NOT_TUNED,
            says={
                "minutes": f"Time limit for the whole search in minutes (default {MINUTES:g}).",
                "epochs": "Maximum number of passes over the training images in each trial.",
                "image_size": "Use this image size in all trials, for example 128 or 128x64 (height first).",
                "weights": "Start every training from the weights of this run or model file.",
                "recipe": "Search around a recipe.toml instead of the default recipe.",
                "changes": "Fix a recipe value in all trials, for example augmentation.flip=none.",
            },
        ),
    ]
    trials: Annotated[int | None, Option("Maximum number of trials.", metavar="N", least=1)] = None
    trial_minutes: Annotated[
        float | None,
        Option("Time limit for each training in minutes (default: 1/20 of --minutes).", metavar="MINUTES", least=0.03),
    ] = None
    storage: Annotated[str | None, Option("URL of an Optuna database that several machines share.", metavar="URL")] = (
        None
    )
    study: Annotated[str | None, Option("Name of the study in --storage.", metavar="NAME")] = None

    def __post_init__(self) -> None:
        if (self.storage is None) != (self.study is None):
            raise UsageError(
                "a shared study needs both a storage and a name", "Add both --storage URL and --study NAME."
            )

    def minutes(self) -> float:
        """Return the time limit for the whole search."""
        return MINUTES if self.training.minutes is None else self.training.minutes

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for tune.json, without the password."""
        return {
            "training": self.training.as_dict(),
            "trials": self.trials,
            "trial_minutes": self.trial_minutes,
            "storage": None if self.storage is None else without_password(self.storage),
            "study": self.study,
        }


def without_password(url: str) -> str:
    """Replace the password in a database URL with stars.

    >>> without_password("postgresql://anna:secret@host/tune")
    'postgresql://anna:***@host/tune'
    """
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def request_from(values: Mapping[str, Any], storage: str | None) -> TuneRequest:
    """Restore the request that `TuneRequest.as_dict` wrote.

    Args:
        values: what it wrote.
        storage: the URL of the shared study again, where it has a password.

    Raises:
        UsageError: the password is needed.
    """
    saved = values["storage"]
    if saved is not None and storage is None and ":***@" in saved:
        raise UsageError("the study's password is not stored", f"Add the URL again: --storage {saved}")
    plain = {**values, "training": TrainRequest.from_dict(values["training"]), "storage": storage or saved}
    return TuneRequest(**plain)
