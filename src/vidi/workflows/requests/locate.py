"""The options of `vidi locate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from vidi.errors import UsageError
from vidi.options import Option
from vidi.workflows.requests.shared import Fills, PicturesUnlessOff, Smallest

LEAST_WINDOW = 4  # pixels of a window's shorter side

By = Literal["windows", "evidence"]


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
