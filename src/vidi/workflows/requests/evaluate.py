"""What `vidi evaluate` is asked for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option, Part
from vidi.workflows.requests.data import OF_LEARNING, DataRequest
from vidi.workflows.requests.shared import Fills, IntervalSeed, Overwrite, Pictures, Renames, Smallest, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """What the user asked `vidi evaluate` for."""

    model: Annotated[Path, Argument("MODEL", "A model file, or the run folder that holds it.")]
    data: Annotated[DataRequest, Part(leave_out=OF_LEARNING)]
    output: Annotated[
        Path | None,
        Option("Where to write; evaluations/NAME when left out.", flags=("--output", "-o"), metavar="DIR"),
    ] = None
    overwrite: Overwrite = False
    renames: Renames = field(default_factory=dict)
    robustness: Annotated[
        bool,
        Option(
            "Also answer about images made blurred, dark, turned …",
            flags=("--robustness/--no-robustness",),
            python_help="Also ask about images made blurred, noisy, dark, turned; False is quicker.",
        ),
    ] = True
    seed: IntervalSeed = 0
    workers: Workers = None
    images: Pictures = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSearch:
    """How things are looked for where boxes are scored."""

    fills: Fills = (1.0, 1.0)
    smallest: Smallest = None
