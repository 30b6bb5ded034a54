"""The options of `vidi predict`, by themselves: a prediction waits for every class that is made before it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Argument, Option, Part, switched_off
from vidi.workflows.requests.shared import (
    NO_IMAGES,
    USUAL_ENGINE,
    AllowOutside,
    Engine,
    KeepTruncated,
    Ray,
    Workers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsRequest:
    """Which images to open."""

    inputs: Annotated[
        tuple[str, ...],
        Argument(
            "PATHS…", "Files, folders, patterns or archives; - reads one image from standard input.", several=True
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Whether answers are logged, and for how long their images are kept."""

    log: Annotated[
        str | None,
        Option("Log each prediction there: a file, or postgresql://USER@HOST/DATABASE.", metavar="URL"),
    ] = None
    keep_images: Annotated[bool, Option("Keep the images in the log, too.")] = False
    keep_days: Annotated[float, Option("Keep an image for at most this time.", metavar="DAYS", least=0)] = 30.0

    def __post_init__(self) -> None:
        if self.keep_images and switched_off(NO_IMAGES):
            raise UsageError("--keep-images and VIDI_NO_IMAGES exclude each other", "Use only one of them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictRequest:
    """What to print about each image, and where to write it."""

    files_from: Annotated[
        str | None,
        Option(
            "Path to a list of files, one per line or NUL-separated; - reads the list from standard input.",
            metavar="FILE",
        ),
    ] = None
    output: Annotated[
        Path | None, Option("Write to a file instead of standard output.", flags=("--output", "-o"), metavar="FILE")
    ] = None
    top: Annotated[int | None, Option("Show the K most probable classes.", metavar="K", least=1)] = None
    sort_into: Annotated[
        Path | None, Option("Copy each image into a folder named after its predicted class.", metavar="DIR")
    ] = None
    logging: Annotated[LogRequest, Part(leave_out=("keep_days",))] = field(default_factory=LogRequest)
    allow_outside: AllowOutside = False
    keep_truncated: KeepTruncated = False
    workers: Workers = None
    engine: Engine = USUAL_ENGINE
    ray: Ray = None

    def __post_init__(self) -> None:
        if self.ray is not None and self.engine != USUAL_ENGINE:
            raise UsageError(f"--ray computes by {USUAL_ENGINE}, so it excludes --engine", "Leave one of them out.")
