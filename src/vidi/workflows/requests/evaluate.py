"""The options of `vidi evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option, Part
from vidi.workflows.requests.data import OF_LEARNING, DataRequest
from vidi.workflows.requests.shared import (
    USUAL_ENGINE,
    Engine,
    Fills,
    OverwriteInPython,
    Pictures,
    Smallest,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """Options of `vidi evaluate`."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    data: Annotated[DataRequest, Part(leave_out=(*OF_LEARNING, "parts", "positive"))]
    output: Annotated[
        Path | None,
        Option("Path to the output folder (default evaluations/NAME).", flags=("--output", "-o"), metavar="DIR"),
    ] = None
    overwrite: OverwriteInPython = False
    robustness: Annotated[
        bool,
        Option(
            "Also score blurred, noisy, dark and rotated copies of the images; this takes about 20 times as long.",
        ),
    ] = False
    engine: Engine = USUAL_ENGINE
    images: Pictures = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSearch:
    """How `vidi evaluate --boxes` searches the images."""

    fills: Fills = (1.0, 1.0)
    smallest: Smallest = None
