"""What `vidi tune` is asked for, and how that is written down."""

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
    "ensemble_by",
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
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What the user asked `vidi tune` for: as for a training, and how to search."""

    training: Annotated[
        TrainRequest,
        Part(
            leave_out=NOT_TUNED,
            says={
                "minutes": f"Time for everything; {MINUTES:g} when left out.",
                "epochs": "At most so many passes in one trial.",
                "image_size": "Search no other size: 128, or 128x64 (height first).",
                "seed": "Of the trials; the comparison takes the next.",
                "recipe": "Search around a recipe.toml, not the default.",
                "changes": "Set a value of the recipe; it is then not searched.",
                "weights": "Begin every training from these weights.",
            },
        ),
    ]
    trials: Annotated[int | None, Option("At most so many trials.", least=1)] = None
    trial_minutes: Annotated[float | None, Option("Time for each training; a twentieth of all.", least=0.03)] = None
    storage: Annotated[str | None, Option("A database of Optuna's that several machines share.", metavar="URL")] = None
    study: Annotated[str | None, Option("The study's name in --storage.", metavar="NAME")] = None

    def __post_init__(self) -> None:
        if (self.storage is None) != (self.study is None):
            raise UsageError("a shared study needs both a storage and a name", "Give --storage URL and --study NAME.")

    def minutes(self) -> float:
        """For everything."""
        return MINUTES if self.training.minutes is None else self.training.minutes

    def as_dict(self) -> dict[str, Any]:
        """Plain values for tune.json; a password is left out."""
        return {
            "training": self.training.as_dict(),
            "trials": self.trials,
            "trial_minutes": self.trial_minutes,
            "storage": None if self.storage is None else without_password(self.storage),
            "study": self.study,
        }


def without_password(url: str) -> str:
    """A database's URL with stars for the password.

    >>> without_password("postgresql://anna:secret@host/tune")
    'postgresql://anna:***@host/tune'
    """
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def request_from(values: Mapping[str, Any], storage: str | None) -> TuneRequest:
    """The request that `TuneRequest.as_dict` wrote.

    Args:
        values: what it wrote.
        storage: the URL of the shared study again, where it has a password.

    Raises:
        UsageError: the password is needed.
    """
    saved = values["storage"]
    if saved is not None and storage is None and ":***@" in saved:
        raise UsageError("the study's password was not kept", f"Give the URL again: --storage {saved}")
    plain = {**values, "training": TrainRequest.from_dict(values["training"]), "storage": storage or saved}
    return TuneRequest(**plain)
