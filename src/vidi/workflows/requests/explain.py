"""The options of `vidi explain`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Option
from vidi.workflows.requests.shared import NETWORKS, PicturesUnlessOff


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
