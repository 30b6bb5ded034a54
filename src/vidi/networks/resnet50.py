"""ResNet50: blocks that add to what came in, the usual yardstick among convolutional networks."""

from dataclasses import dataclass

from torch import nn

from vidi.networks.layers import Classifier, ConvNorm, GlobalMean, Residual, convolution
from vidi.networks.options import NetworkOptions, widened
from vidi.networks.size import refuse_small


@dataclass(frozen=True, slots=True)
class ResidualStage:
    """Blocks of one width; the first one strides."""

    channels: int  # inside a block; four times as many come out
    blocks: int
    stride: int


# He and others 2016, Deep residual learning, table 1. The 3x3 convolution strides, not the 1x1 before it (called
# version 1.5), as in the public weights of torchvision and timm.
STAGES = (
    ResidualStage(channels=64, blocks=3, stride=1),
    ResidualStage(channels=128, blocks=4, stride=2),
    ResidualStage(channels=256, blocks=6, stride=2),
    ResidualStage(channels=512, blocks=3, stride=2),
)
STEM, EXPANSION = 64, 4


def resnet50(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """ResNet50: 25.6 million weights, 4.1 billion multiply-adds at 224x224; images of any size from 32 pixels on.

    Raises:
        UsageError: the images have less than 32 pixels a side.
    """
    options.refuse_others("resnet50", "width")
    refuse_small("resnet50", image_size)
    channels = widened(STEM, options)
    layers: list[nn.Module] = [
        ConvNorm(convolution(3, channels, kernel=7, stride=2), scaled=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    for stage in STAGES:
        inner = widened(stage.channels, options)
        blocks = []
        for number in range(stage.blocks):
            blocks.append(_block(channels, inner, stride=stage.stride if number == 0 else 1))
            channels = EXPANSION * inner
        layers.append(nn.Sequential(*blocks))
    layers.append(GlobalMean())
    return Classifier(nn.Sequential(*layers), nn.Linear(channels, class_count))


def _block(channels: int, inner: int, *, stride: int) -> Residual:
    """Narrow, look around, widen; added to what came in, brought to the same shape where the block changes it."""
    outgoing = EXPANSION * inner
    body = nn.Sequential(
        ConvNorm(convolution(channels, inner, kernel=1), scaled=True),
        ConvNorm(convolution(inner, inner, stride=stride), scaled=True),
        ConvNorm(convolution(inner, outgoing, kernel=1), scaled=True, activation="none"),
    )
    shortcut = None
    if stride > 1 or channels != outgoing:
        shortcut = ConvNorm(convolution(channels, outgoing, kernel=1, stride=stride), scaled=True, activation="none")
    return Residual(body, shortcut=shortcut, activation="relu")
