"""The options of `vidi benchmark`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option


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
