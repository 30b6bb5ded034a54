"""What `vidi locate` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from vidi.errors import UsageError
from vidi.options import Option
from vidi.workflows.requests.shared import Fills, Pictures, Smallest

LEAST_WINDOW = 4  # pixels of a window's shorter side

By = Literal["windows", "evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocateRequest:
    """How the user wants things to be looked for."""

    classes: Annotated[
        tuple[str, ...] | None,
        Option(
            "Look for this class; several times for more.",
            flags=("--class",),
            metavar="NAME",
            several=True,
            in_python="Sequence[str] | None",
            python_help="To look for; all but those whose name says that nothing is there when left out.",
        ),
    ] = None
    by: Annotated[By, Option("windows of many sizes, or the evidence map of the image as a whole (faster).")] = (
        "windows"
    )
    least: Annotated[float, Option("Probability of a box, at least.", metavar="SHARE")] = 0.5
    smallest: Smallest = None
    largest: Annotated[
        float | None, Option("Shorter side of the largest window.", metavar="PIXELS", least=LEAST_WINDOW)
    ] = None
    overlap: Annotated[float, Option("Boxes that overlap by more are about one thing.", metavar="IOU")] = 0.4
    soft: Annotated[bool, Option("Lower the scores of overlapping boxes, not drop them.")] = False
    most: Annotated[int, Option("Boxes for each class and image.", metavar="N", least=1)] = 100
    fills: Fills = (1.0, 1.0)

    def __post_init__(self) -> None:
        for side in self.fills:
            if not 0 < side <= 1:
                raise UsageError(f"--fills {side} is no share", "Use a number above 0, at most 1.")
        for flag, pixels in (("--smallest", self.smallest), ("--largest", self.largest)):
            if pixels is not None and pixels < LEAST_WINDOW:
                raise UsageError(f"{flag} {pixels:g} is too small", f"Use {LEAST_WINDOW} pixels or more.")
        if self.by not in get_args(By):
            raise UsageError(f"--by {self.by} is no way to look", f"Use {' or '.join(get_args(By))}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedFiles:
    """What a search is to leave behind, beside what it prints."""

    output: Annotated[
        Path | None,
        Option(
            "Draw each image with its boxes there, and write a page about all.",
            flags=("--output", "-o"),
            metavar="DIR",
        ),
    ] = None
    coco: Annotated[Path | None, Option("Write the boxes as a COCO file.", metavar="FILE")] = None
    images: Pictures = True
