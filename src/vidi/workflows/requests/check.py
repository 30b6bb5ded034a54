"""The options of `vidi check` and `vidi split`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Option, Part
from vidi.workflows.requests.data import OF_SPLITTING, OF_TRAINING, DataRequest
from vidi.workflows.requests.shared import Pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Options of `vidi check`."""

    data: Annotated[DataRequest, Part(leave_out=(*OF_SPLITTING, *OF_TRAINING, "parts", "positive"))]
    page: Annotated[Path | None, Option("Write the findings to an HTML page with the images.", metavar="FILE")] = None
    images: Pictures = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRequest:
    """Options of `vidi split`; images in `data.split_file` keep their part."""

    data: Annotated[
        DataRequest,
        Part(
            leave_out=(*OF_TRAINING, "keep_truncated"),
            says={"split_file": "Path to an earlier splits.csv; its images keep their part."},
        ),
    ]
    output: Annotated[Path, Option("Path to the table to write.", flags=("--output", "-o"), metavar="FILE")] = Path(
        "splits.csv"
    )
    replan: Annotated[bool, Option("Split all images again, including those that have a part.")] = False
    seed: Annotated[int, Option("Seed for the split into parts.", metavar="N", least=0)] = 0
