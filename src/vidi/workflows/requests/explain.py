"""The options of `vidi explain`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Option
from vidi.workflows.requests.shared import NETWORKS, Pictures
from vidi.workflows.requests.written import parse_image_size


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
    occlusion: Annotated[
        bool,
        Option(
            "Cover each part of the image in turn (default); without it, explaining is much faster.",
            flags=("--occlusion/--no-occlusion",),
            python_help="Cover each part of the image in turn and predict again, about a hundred times.",
        ),
    ] = True
    layers: Annotated[
        bool,
        Option("Show what each layer of the network sees (default).", flags=("--layers/--no-layers",)),
    ] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedPages:
    """How to open the images, and where to write the explanations."""

    output: Annotated[
        Path | None,
        Option("Path to the folder for the pages (default explanations).", flags=("--output", "-o"), metavar="DIR"),
    ] = None
    images: Pictures = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRequest:
    """Which untrained network to show."""

    network: Annotated[
        str | None,
        Option(f"Show a network instead of a model: {', '.join(NETWORKS)}.", metavar="NAME", choices=NETWORKS),
    ] = None
    image_size: Annotated[
        tuple[int, int] | None,
        Option(
            "Image size for --network, for example 128 or 128x64 (height first).",
            flags=("--imgsz",),
            metavar="SIZE",
            read=parse_image_size,
        ),
    ] = None
    class_count: Annotated[
        int | None, Option("Number of classes for --network (default 10).", metavar="N", least=2)
    ] = None
