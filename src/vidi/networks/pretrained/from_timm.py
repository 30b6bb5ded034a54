"""`--pretrained timm/NAME`: any backbone of timm, with the weights that timm itself fetches."""

import os
from collections.abc import Mapping
from typing import Any

from torch import nn

from vidi.errors import ModelError, ResourceError
from vidi.networks.backbone import create_backbone
from vidi.networks.exported import check_export, export_body
from vidi.networks.pretrained.weights import PretrainedWeights, digest_of_tensors
from vidi.networks.to_onnx import OPSET

# Mean and standard deviation of the pixels from 0 to 1, to the word that vidi has for it.
NORMALISATIONS: Mapping[tuple[tuple[float, ...], tuple[float, ...]], str] = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "imagenet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "symmetric",
}
UNSTATED_LICENSE = "not stated by timm: see the page of the weights"


def timm_weights(name: str) -> PretrainedWeights:
    """The weights of a network of timm; they are fetched and kept where timm does it.

    Whether the network can be written into a model file is tried here, before anything is trained.

    Args:
        name: `timm/` and a name of timm's list, say `timm/resnet18.a1_in1k`.

    Raises:
        MissingPackageError: timm is not installed.
        UnknownNameError: timm has no such network, or no weights for it.
        ResourceError: they cannot be fetched.
        ModelError: they want images scaled in a way that vidi does not know, or cannot be written as ONNX.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is first imported
    try:
        body = create_backbone(name, pretrained=True)
    except OSError as error:  # what the libraries beneath raise without a network
        raise ResourceError(
            f"the weights of {name} could not be fetched: {type(error).__name__}: {error}", "Try again later."
        ) from error
    about = _about(body)
    normalisation = NORMALISATIONS.get((tuple(about.get("mean", ())), tuple(about.get("std", ()))))
    if normalisation is None:
        raise ModelError(
            f"{name} needs a normalisation that vidi does not support: mean {about.get('mean')}, "
            f"standard deviation {about.get('std')}",
            "Use weights with the usual normalisation of ImageNet, or with 0.5 for all channels.",
        )
    height, width = about["input_size"][-2:]
    graph = export_body(body, image_size=(height, width), prefix=name, opset=OPSET)
    check_export(body, graph, image_size=(height, width), opset=OPSET)
    tensors = {f"layers.0.body.{key}": tensor.detach() for key, tensor in body.state_dict().items()}
    return PretrainedWeights(
        name=name,
        network=name,
        normalisation=normalisation,
        license=str(about.get("license") or UNSTATED_LICENSE),
        digest=digest_of_tensors(tensors),
        tensors=tensors,
    )


def _about(body: nn.Module) -> Mapping[str, Any]:
    """What timm says about the weights that it loaded."""
    about: Any = body.pretrained_cfg
    return dict(about)
