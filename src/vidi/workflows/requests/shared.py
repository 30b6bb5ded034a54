"""Options that several requests have."""

from collections.abc import Mapping
from typing import Annotated

from vidi.options import Option
from vidi.workflows.requests.written import parse_renames, parse_share

# What `vidi.networks.registry` holds, said here too because it imports torch; a test compares them.
NETWORKS = ("compact", "textbook", "dense", "lite0", "lite2", "lite0-grid", "vgg16", "resnet50")
Workers = Annotated[int | None, Option("Decoding workers; one for each core.", least=1)]
Overwrite = Annotated[bool, Option("Replace what an earlier run wrote there.")]
Pictures = Annotated[
    bool,
    Option(
        "No picture in anything that is written.",
        flags=("--no-images",),
        python_help="False leaves every picture out of what is written.",
    ),
]
PicturesAndCache = Annotated[
    bool,
    Option(
        "No picture in anything that is written, and no cache left behind.",
        flags=("--no-images",),
        python_help="False leaves every picture out of what is written, and nothing in the cache.",
    ),
]
Renames = Annotated[
    Mapping[str, str],
    Option(
        "The data's class A is the model's class B.",
        flags=("--map",),
        metavar="A=B",
        several=True,
        read=parse_renames,
        python_help="A class of the data → the model's name for it.",
    ),
]
IntervalSeed = Annotated[int, Option("Seed of the resampling behind intervals.", flags=("--seed",), least=0)]
FollowLinks = Annotated[bool, Option("Follow links that leave the data folder.")]
KeepTruncated = Annotated[bool, Option("Use what is there of images that are cut off.")]
Fills = Annotated[
    tuple[float, float],
    Option(
        "How much of a training image its thing fills, say 0.9x0.8.",
        metavar="HxW",
        read=parse_share,
        written="1x1",
        python_help="(height, width), the share of a training image that its thing filled: boxes shrink by it.",
    ),
]
Smallest = Annotated[float | None, Option("Shorter side of the smallest window.", metavar="PIXELS", least=4)]
