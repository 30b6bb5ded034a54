"""Options that several requests have."""

from dataclasses import dataclass
from typing import Annotated

from vidi.options import Option, switched_off
from vidi.workflows.requests.written import parse_share

# What `vidi.networks.registry` holds, said here too because it imports torch; a test compares them.
NETWORKS = ("compact", "textbook", "dense", "lite0", "lite2", "lite0+lite2", "lite0-grid", "vgg16", "resnet50")
Workers = Annotated[int | None, Option("Number of decoding workers (default: one per core).", metavar="N", least=1)]
Engine = Annotated[
    str,
    Option(
        "What executes the model: onnxruntime (default), openvino, or the fastest (auto).",
        choices=("onnxruntime", "openvino", "auto"),
        metavar="NAME",
    ),
]
USUAL_ENGINE = "onnxruntime"
Overwrite = Annotated[bool, Option("Replace earlier results at the output path.")]
OverwriteInPython = Annotated[bool, Option("Replace earlier results at the output path.", python_only=True)]
NO_IMAGES = "VIDI_NO_IMAGES"  # holds for every verb, with and without the flag
Pictures = Annotated[
    bool,
    Option(
        "Leave all pictures out of the written files.",
        flags=("--no-images",),
        python_help="False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.",
        off_by=NO_IMAGES,
    ),
]
PicturesUnlessOff = Annotated[
    bool,
    Option(
        "False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.",
        python_only=True,
        off_by=NO_IMAGES,
    ),
]
PicturesAndCache = Annotated[
    bool,
    Option(
        "Leave all pictures out of the written files, and keep no cache.",
        flags=("--no-images",),
        python_help="False leaves all pictures out of the written files, and keeps no cache.",
        off_by=NO_IMAGES,
    ),
]
# As how many old images an image of the feedback counts in training; chosen on years of development images, see
# docs/measured.md.
FEEDBACK_WEIGHT = 2.0
AllowOutside = Annotated[
    bool, Option("Read files outside the data folder: through links that lead out, or named by a table.")
]
KeepTruncated = Annotated[bool, Option("Use the readable part of truncated images.")]
Fills = Annotated[
    tuple[float, float],
    Option(
        "Share of a training image that the object fills, for example 0.9x0.8.",
        metavar="HxW",
        read=parse_share,
        written="1x1",
        python_help="Share (height, width) of a training image that the object fills; boxes shrink by it.",
    ),
]
Smallest = Annotated[float | None, Option("Shorter side of the smallest window, in pixels.", metavar="PIXELS", least=4)]
Ray = Annotated[
    str | None,
    Option("Work on a Ray cluster, by the address of its head; local: on this computer.", metavar="ADDRESS"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRequest:
    """Where the images are decoded."""

    ray: Ray = None


def wants_pictures(*, unless: bool = False) -> bool:
    """Whether pictures are written: not where `VIDI_NO_IMAGES` is set, nor where this command leaves them out.

    Args:
        unless: this command was told to leave them out.
    """
    return not (unless or switched_off(NO_IMAGES))
