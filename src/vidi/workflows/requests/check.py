"""What `vidi check` and `vidi split` are asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Option, Part
from vidi.workflows.requests.data import OF_SPLITTING, OF_TRAINING, DataRequest
from vidi.workflows.requests.shared import Pictures, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What the user asked `vidi check` for."""

    data: Annotated[DataRequest, Part(leave_out=(*OF_SPLITTING, *OF_TRAINING, "parts"))]
    page: Annotated[Path | None, Option("Write the findings as a page of images.", metavar="FILE")] = None
    images: Pictures = True
    workers: Workers = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRequest:
    """What the user asked `vidi split` for; where `data.split_file` is there, what stands in it stays."""

    data: Annotated[
        DataRequest,
        Part(leave_out=OF_TRAINING, says={"split_file": "An earlier splits.csv: what stands there stays."}),
    ]
    output: Annotated[Path, Option("The table to write.", flags=("--output", "-o"), metavar="FILE")] = Path(
        "splits.csv"
    )
    replan: Annotated[bool, Option("Decide anew, also for images that have a part.")] = False
    workers: Workers = None
