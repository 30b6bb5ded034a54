"""Networks of the library timm, taken as one layer: images in, features out."""

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from vidi.errors import MissingPackageError, UnknownNameError, UsageError
from vidi.networks.catalog import TIMM
from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions


class Backbone(nn.Module):
    """A network of someone else's up to its features; in the model file it is what torch's own exporter makes of it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, 3, height, width) to (batch, features)."""
        features: Tensor = self.body(inputs)
        return features


def timm_network(name: str, *, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """The backbone of one name of timm's list, such as `timm/resnet18.a1_in1k`, and a linear head.

    Its features are found by trying. Unlike vidi's own networks it has memory and values at once, even while others
    are only designed: many hold tables that no file of weights brings along.

    Raises:
        MissingPackageError: timm is not installed.
        UnknownNameError: timm has no network of that name.
        UsageError: it does not take images of that size, or has no features to give.
    """
    options.refuse_others(name)
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # its own way to begin, the same each time; `initialise` goes over it
        body = create_backbone(name, pretrained=False).eval()
        head = nn.Linear(_try(name, body, image_size), class_count)
    return Classifier(nn.Sequential(Backbone(body)), head)


def create_backbone(name: str, *, pretrained: bool) -> nn.Module:
    """A network of timm without its head.

    Raises:
        MissingPackageError: timm is not installed.
        UnknownNameError: timm has no network of that name, or no such weights.
    """
    missing = [package for package in ("timm", "onnxscript") if find_spec(package) is None]
    if missing:
        raise MissingPackageError(
            f"{name} needs {' and '.join(missing)}, which is not installed", 'Install it with: pip install "vidi[timm]"'
        )
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # a torchvision that was built for another torch raises RuntimeError
        raise MissingPackageError(
            f"timm cannot be loaded: {error}",
            "Install a torch and a torchvision that belong together, from one index: pip install torch torchvision",
        ) from error

    bare = name.removeprefix(TIMM)
    if not timm.is_model(bare.partition(".")[0]):
        raise UnknownNameError(f"timm has no network called {bare!r}", "timm.list_models() lists all networks.")
    try:
        made: Any = timm.create_model(bare, pretrained=pretrained, num_classes=0)
    except RuntimeError as error:  # what timm raises where the part after the dot is unknown
        raise UnknownNameError(
            f"timm cannot create {bare!r}: {error}", "timm.list_pretrained() lists all weights."
        ) from error
    body: nn.Module = made
    return body


def _try(name: str, body: nn.Module, image_size: tuple[int, int]) -> int:
    """The number of features, found by pushing an empty image through."""
    try:
        with torch.inference_mode():
            features = body(torch.zeros(1, 3, *image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(
            f"{name} does not take images of {image_size[0]}x{image_size[1]} pixels: {error}",
            "Set the size that its documentation names with --imgsz.",
        ) from error
    if not isinstance(features, Tensor) or features.ndim != 2:
        raise UsageError(f"{name} does not give one row of features per image", "Use a classification network.")
    return int(features.shape[1])
