"""Requests about model files: predict, locate, explain, evaluate, compare, calibrate, export and benchmark."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from vidi.errors import UsageError
from vidi.networks.catalog import NETWORKS
from vidi.options import Argument, Option, Part
from vidi.workflows.requests.data import OF_LEARNING, DataRequest
from vidi.workflows.requests.shared import (
    USUAL_ENGINE,
    Engine,
    Fills,
    Guarantees,
    Overwrite,
    OverwriteInPython,
    Pictures,
    PicturesUnlessOff,
    Smallest,
    parse_names,
)

LEAST_WINDOW = 4  # pixels of a window's shorter side

By = Literal["windows", "evidence"]
Proposals = Annotated[
    Path | None,
    Option("Ask the model only about the boxes of this detector, a model file.", metavar="DETECTOR"),
]
OnlyProposed = Annotated[
    tuple[str, ...] | None,
    Option(
        "Classes of the detector that are proposed, for example person,dog (default: all).",
        metavar="NAMES",
        read=parse_names,
        python_help="Classes of the detector that are proposed; by default all.",
    ),
]
Form = Literal["web", "folder", "int8", "fp16"]
PRECISIONS: tuple[Form, ...] = ("int8", "fp16")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocateRequest:
    """How to search the images."""

    classes: Annotated[
        tuple[str, ...] | None,
        Option(
            "Name of a class to find; repeat it for more.",
            flags=("--class",),
            metavar="NAME",
            several=True,
            in_python="Sequence[str] | None",
            python_help="Classes to find; by default all but those whose name means that nothing is there.",
        ),
    ] = None
    by: Annotated[
        By | None,
        Option(
            "Search method: windows of many sizes or the evidence map "
            "(default: windows; one box without a class for nothing)."
        ),
    ] = None
    least: Annotated[float, Option("Minimum probability of a box.", metavar="SHARE")] = 0.5
    smallest: Smallest = None
    fills: Fills = (1.0, 1.0)
    proposals: Proposals = None
    only: OnlyProposed = None

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise UsageError(f"--least {self.least} is out of range", "Use a number above 0, at most 1.")
        for side in self.fills:
            if not 0 < side <= 1:
                raise UsageError(f"--fills {side} is out of range", "Use a number above 0, at most 1.")
        if self.smallest is not None and self.smallest < LEAST_WINDOW:
            raise UsageError(f"--smallest {self.smallest:g} is too small", f"Use {LEAST_WINDOW} pixels or more.")
        if self.by is not None and self.by not in get_args(By):
            raise UsageError(f"--by {self.by} is unknown", f"Use {' or '.join(get_args(By))}.")
        if self.only is not None and self.proposals is None:
            raise UsageError("--only is about --proposals", "Name a class of the model itself by --class.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedFiles:
    """Which files a search writes."""

    output: Annotated[
        Path | None,
        Option(
            "Path to a folder for the images with their boxes, and a page of them.",
            flags=("--output", "-o"),
            metavar="DIR",
        ),
    ] = None
    coco: Annotated[Path | None, Option("Write the boxes to a COCO file.", metavar="FILE")] = None
    images: PicturesUnlessOff = True


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
    proposals: Proposals = None
    only: OnlyProposed = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """Options of `vidi compare`."""

    first: Annotated[Path, Argument("A", "Model file or run folder of the current model.")]
    second: Annotated[Path, Argument("B", "Model file or run folder of the model that may be better.")]
    data: Annotated[DataRequest, Part(leave_out=(*OF_LEARNING, "parts", "positive"))]
    output: Annotated[
        Path | None,
        Option("Path to the output folder (default comparisons/NAME).", flags=("--output", "-o"), metavar="DIR"),
    ] = None
    overwrite: OverwriteInPython = False
    images: PicturesUnlessOff = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateRequest:
    """Options of `vidi calibrate`."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    data: Annotated[DataRequest, Part(leave_out=(*OF_LEARNING, "parts"))]
    output: Annotated[Path, Option("Path to the new model file.", flags=("--output", "-o"), metavar="FILE")]
    overwrite: Overwrite = False
    guarantees: Guarantees = field(default_factory=Guarantees)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRequest:
    """What to find out about each image."""

    top: Annotated[
        int | None,
        Option(
            "Number of most probable classes to explain (default: two or three).",
            metavar="K",
            least=1,
            python_help="Number of most probable classes to explain; by default the two or three that matter.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedPages:
    """How to open the images, and where to write the explanations."""

    output: Annotated[
        Path | None,
        Option("Path to the folder for the pages (default explanations).", flags=("--output", "-o"), metavar="DIR"),
    ] = None
    images: PicturesUnlessOff = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRequest:
    """Which untrained network to show."""

    network: Annotated[
        str | None,
        Option(
            "Show a network instead of a model: a name of `vidi train --network`.", metavar="NAME", choices=NETWORKS
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Which model to export, in which form, and where to write it."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    to: Annotated[
        Form,
        Option(
            "Form to write: web (a page), folder (for a model hub), int8 or fp16 (smaller model files).",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRequest:
    """Which models to time, on what, and for how long."""

    models: Annotated[
        tuple[str, ...],
        Argument("MODELS…", "Paths to model files or run folders, or registered names.", several=True),
    ]
    data: Annotated[
        str | None,
        Option("Image file, folder, pattern or archive to decode and answer (default: drawn images).", metavar="DATA"),
    ] = None
    engines: Annotated[
        tuple[str, ...] | None,
        Option(
            "Engine to time; repeat it for more (default: each that is installed).",
            flags=("--engine",),
            choices=("onnxruntime", "openvino"),
            metavar="NAME",
            several=True,
            in_python="Sequence[str] | None",
            python_help="Engines to time; by default each that is installed.",
        ),
    ] = None
    seconds: Annotated[float, Option("Time for measuring; starting is not counted.", metavar="SECONDS", least=1)] = 30.0
