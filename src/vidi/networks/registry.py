"""The networks by name: also the choices of `--network`."""

from collections.abc import Mapping
from typing import Protocol

from vidi.errors import UnknownNameError
from vidi.networks.backbone import PREFIX, TimmNetwork
from vidi.networks.compact import compact
from vidi.networks.layers import Classifier
from vidi.networks.lite import lite0, lite0_and_lite2, lite0_grid, lite2
from vidi.networks.options import NetworkOptions
from vidi.networks.published import resnet50, vgg16
from vidi.networks.textbook import dense, textbook


class NetworkBuilder(Protocol):
    """A function that makes an untrained network."""

    def __call__(self, *, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
        """A network for images (height, width) in pixels and that many classes."""
        ...


NETWORKS: Mapping[str, NetworkBuilder] = {
    "compact": compact,
    "textbook": textbook,
    "dense": dense,
    "lite0": lite0,
    "lite2": lite2,
    "lite0+lite2": lite0_and_lite2,
    "lite0-grid": lite0_grid,
    "vgg16": vgg16,
    "resnet50": resnet50,
}


def find_network(name: str) -> NetworkBuilder:
    """The builder of that name; `timm/NAME` is a network of timm, where that is installed.

    Raises:
        UnknownNameError: there is none; the message lists them all.
    """
    if name.startswith(PREFIX):
        return TimmNetwork(name)
    try:
        return NETWORKS[name]
    except KeyError:
        raise UnknownNameError(f"no network is called {name!r}", f"Use one of: {', '.join(NETWORKS)}.") from None
