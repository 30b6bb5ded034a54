"""The options of `vidi export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from vidi.options import Argument, Option
from vidi.workflows.requests.shared import Overwrite, PicturesUnlessOff

Form = Literal["web", "folder", "int8", "fp16", "openvino"]
PRECISIONS: tuple[Form, ...] = ("int8", "fp16")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Which model to export, in which form, and where to write it."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    to: Annotated[
        Form,
        Option(
            "Form to write: web (a page), folder (for a model hub), int8 or fp16 (smaller model files), or openvino.",
            metavar="FORM",
        ),
    ]
    output: Annotated[Path, Option("Path to the new folder.", flags=("--output", "-o"), metavar="DIR")]
    data: Annotated[
        str | None,
        Option(
            "For int8 and fp16: run folder or labelled images to calibrate and test on (default: the model's run).",
            metavar="DATA",
        ),
    ] = None
    max_drop: Annotated[
        float, Option("For int8 and fp16: points of test accuracy that may be lost beyond chance.", metavar="POINTS")
    ] = 0.5
    overwrite: Overwrite = False
    images: PicturesUnlessOff = True
