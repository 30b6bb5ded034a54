"""What `vidi compare` is asked for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option, Part
from vidi.workflows.requests.data import OF_LEARNING, DataRequest
from vidi.workflows.requests.shared import IntervalSeed, Overwrite, Pictures, Renames, Workers

A = Annotated[Path, Argument("A", "A model file or run folder: the one that is there.")]
B = Annotated[Path, Argument("B", "The other one, which may be better.")]
Output = Annotated[
    Path | None, Option("Where to write; comparisons/NAME when left out.", flags=("--output", "-o"), metavar="DIR")
]
FOLDERS = "Labelled images; left out where A and B are folders that `vidi evaluate` wrote of the same images."


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """What the user asked `vidi compare` for."""

    first: A
    second: B
    data: Annotated[DataRequest, Part(leave_out=OF_LEARNING, says={"source": FOLDERS})]
    output: Output = None
    overwrite: Overwrite = False
    renames: Renames = field(default_factory=dict)
    seed: IntervalSeed = 0
    workers: Workers = None
    images: Pictures = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """What the user asked `vidi compare` for without naming images: A and B are folders of evaluations."""

    first: A
    second: B
    output: Output = None
    overwrite: Overwrite = False
    seed: IntervalSeed = 0
    images: Pictures = True
