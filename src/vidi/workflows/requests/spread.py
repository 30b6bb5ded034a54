"""The options of verbs that can spread their work over a cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Option

Ray = Annotated[
    str | None,
    Option("Work on a Ray cluster, by the address of its head; local: on this computer.", metavar="ADDRESS"),
]
Shards = Annotated[
    Path | None, Option("Path to a folder for finished parts; the same command goes on with them.", metavar="DIR")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRequest:
    """Where the images are decoded, and where finished parts are kept."""

    ray: Ray = None
    shards: Shards = None

    def __post_init__(self) -> None:
        refuse_shards_alone(ray=self.ray, shards=self.shards)


def refuse_shards_alone(*, ray: str | None, shards: Path | None) -> None:
    """Refuse a folder for finished parts where nothing is spread.

    Raises:
        UsageError: there is a folder, but no cluster.
    """
    if shards is not None and ray is None:
        raise UsageError("--shards without a cluster", "Add `--ray local`, or the address of a Ray cluster.")
