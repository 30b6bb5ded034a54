"""The options of verbs that can spread their work over a cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRequest:
    """Where the images are decoded, and where finished parts are kept."""

    ray: Annotated[
        str | None,
        Option("Work on a Ray cluster, by the address of its head; local: on this computer.", metavar="ADDRESS"),
    ] = None
    shards: Annotated[
        Path | None, Option("Path to a folder for finished parts; the same command goes on with them.", metavar="DIR")
    ] = None

    def __post_init__(self) -> None:
        if self.shards is not None and self.ray is None:
            raise UsageError("--shards without a cluster", "Add `--ray local`, or the address of a Ray cluster.")
