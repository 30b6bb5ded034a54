"""What the user asked a search for, and how it is written down."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vidi.errors import UsageError
from vidi.workflows.interaction.train_request import TrainRequest

MINUTES = 30.0  # where the user gives no time


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What the user asked for: as for a training, and how to search."""

    training: TrainRequest  # its minutes are for everything; what it sets is not searched
    trials: int | None = None  # at most
    trial_minutes: float | None = None  # for each training; from the time in all where left out
    storage: str | None = None  # a database that several machines share; a journal in the folder where left out
    study: str | None = None  # its name there

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
