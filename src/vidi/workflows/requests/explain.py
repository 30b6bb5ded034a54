"""What `vidi explain` is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Option
from vidi.workflows.requests.shared import NETWORKS, KeepTruncated, Pictures
from vidi.workflows.requests.written import parse_image_size


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRequest:
    """What is to be found out about each image."""

    top: Annotated[
        int | None,
        Option(
            "Maps for the K most probable classes; two or three of them.",
            metavar="K",
            least=1,
            python_help="Maps for the K most probable classes; for the two or three that matter when left out.",
        ),
    ] = None
    occlusion: Annotated[
        bool,
        Option(
            "Cover one part after another; without, an answer takes no time to speak of.",
            flags=("--occlusion/--no-occlusion",),
            python_help="Cover one part after another and ask again, which takes a hundred answers or so.",
        ),
    ] = True
    layers: Annotated[
        bool,
        Option("Show what each layer of the network sees.", flags=("--layers/--no-layers",)),
    ] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedPages:
    """How the images are opened, and where the explanations are written."""

    output: Annotated[
        Path | None,
        Option("Where the pages are written; explanations when left out.", flags=("--output", "-o"), metavar="DIR"),
    ] = None
    images: Pictures = True
    keep_truncated: KeepTruncated = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRequest:
    """Which network that has learnt nothing yet is to be shown."""

    network: Annotated[
        str | None, Option(f"Show a network instead: {', '.join(NETWORKS)}.", metavar="NAME", choices=NETWORKS)
    ] = None
    image_size: Annotated[
        tuple[int, int] | None,
        Option(
            "With --network: its images, 128 or HEIGHTxWIDTH.",
            flags=("--imgsz",),
            metavar="SIZE",
            read=parse_image_size,
        ),
    ] = None
    class_count: Annotated[int | None, Option("With --network: classes; 10.", metavar="N", least=2)] = None
