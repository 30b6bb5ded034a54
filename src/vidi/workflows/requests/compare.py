"""The options of `vidi compare`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option, Part
from vidi.workflows.requests.data import OF_LEARNING, DataRequest
from vidi.workflows.requests.shared import OverwriteInPython, PicturesUnlessOff

A = Annotated[Path, Argument("A", "Model file or run folder of the current model.")]
B = Annotated[Path, Argument("B", "Model file or run folder of the model that may be better.")]
Output = Annotated[
    Path | None,
    Option("Path to the output folder (default comparisons/NAME).", flags=("--output", "-o"), metavar="DIR"),
]
FOLDERS = "Labelled images; leave them out if A and B are evaluations of the same images."


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """Options of `vidi compare`."""

    first: A
    second: B
    data: Annotated[DataRequest, Part(leave_out=(*OF_LEARNING, "parts", "positive"), says={"source": FOLDERS})]
    output: Output = None
    overwrite: OverwriteInPython = False
    images: PicturesUnlessOff = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """Options of `vidi compare` without images: A and B are folders of evaluations."""

    first: A
    second: B
    output: Output = None
    overwrite: OverwriteInPython = False
    images: PicturesUnlessOff = True
