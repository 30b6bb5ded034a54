"""The options of `vidi calibrate`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vidi.evaluation.guarantees.promise import Promise
from vidi.options import Argument, Option, Part
from vidi.workflows.requests.data import OF_LEARNING, DataRequest
from vidi.workflows.requests.promised import TargetOptions
from vidi.workflows.requests.shared import Overwrite

if TYPE_CHECKING:
    from vidi.evaluation.guarantees.operating import OperatingTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateRequest:
    """Options of `vidi calibrate`."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    data: Annotated[DataRequest, Part(leave_out=(*OF_LEARNING, "parts"))]
    output: Annotated[Path, Option("Path to the new model file.", flags=("--output", "-o"), metavar="FILE")]
    overwrite: Overwrite = False
    promise: Promise = field(default_factory=Promise)
    target: Annotated["OperatingTarget | None", Part(made_by=TargetOptions)] = None
