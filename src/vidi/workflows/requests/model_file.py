"""Requests about model files: evaluate, compare, calibrate, explain, export and benchmark."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from vidi.options import Argument, Option, Part
from vidi.workflows.requests.data import OF_LEARNING, DataRequest
from vidi.workflows.requests.promised import Guarantees
from vidi.workflows.requests.shared import (
    NETWORKS,
    USUAL_ENGINE,
    Engine,
    Fills,
    Overwrite,
    OverwriteInPython,
    Pictures,
    PicturesUnlessOff,
    Smallest,
)

if TYPE_CHECKING:
    pass

A = Annotated[Path, Argument("A", "Model file or run folder of the current model.")]
B = Annotated[Path, Argument("B", "Model file or run folder of the model that may be better.")]
Output = Annotated[
    Path | None,
    Option("Path to the output folder (default comparisons/NAME).", flags=("--output", "-o"), metavar="DIR"),
]
FOLDERS = "Labelled images; leave them out if A and B are evaluations of the same images."
Form = Literal["web", "folder", "int8", "fp16", "openvino"]
PRECISIONS: tuple[Form, ...] = ("int8", "fp16")


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
        Option(f"Show a network instead of a model: {', '.join(NETWORKS)}.", metavar="NAME", choices=NETWORKS),
    ] = None


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
    output: Annotated[
        Path | None,
        Option(
            "Path to a folder for the figures: benchmark.json and benchmark.svg.",
            flags=("--output", "-o"),
            metavar="DIR",
        ),
    ] = None
