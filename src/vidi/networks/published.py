"""VGG16 and ResNet50, the networks of many published comparisons, in the shape of their public weights."""

from dataclasses import dataclass

from torch import nn

from vidi.errors import UsageError
from vidi.networks.layers import Classifier, ConvNorm, GlobalMean, GridMean, Residual, convolution
from vidi.networks.options import NetworkOptions, widened

SMALLEST_HALVED = 32  # pixels: what five halvings leave a place of


def refuse_small(network: str, image_size: tuple[int, int]) -> None:
    """Raise a UsageError where a network that halves its map five times would be left with nothing.

    Args:
        image_size: (height, width) in pixels.
    """
    if min(image_size) < SMALLEST_HALVED:
        raise UsageError(
            f"{network} needs images of at least {SMALLEST_HALVED} pixels a side, not {image_size[0]}x{image_size[1]}",
            f"Use --imgsz {SMALLEST_HALVED} or more (its weights were trained at 224), or --network compact.",
        )


# Simonyan and Zisserman 2015, Very deep convolutional networks, configuration D: the channels of each stage's layers.
VGG16_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
VGG16_GRID = (7, 7)  # (rows, columns) that the first dense layer takes: what images of 224x224 pixels leave
VGG16_DENSE_WIDTH = 4096


def vgg16(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """VGG16 without batch normalisation: 138 million weights, 15.5 billion multiply-adds at 224x224.

    Images of other sizes leave other maps, whose means over a grid of 7x7 regions go into the dense layers. Pooling
    comes before ReLU: the same result, a quarter of the work. There is no dropout, whose random numbers no resumed
    training could repeat.

    Raises:
        UsageError: the images have less than 32 pixels a side.
    """
    options.refuse_others("vgg16", "width", "dense_width")
    refuse_small("vgg16", image_size)
    layers: list[nn.Module] = []
    channels = 3
    for stage in VGG16_STAGES:
        for number, count in enumerate(stage, start=1):
            wider = widened(count, options)
            layers.append(nn.Conv2d(channels, wider, 3, padding=1))
            layers += [nn.ReLU()] if number < len(stage) else [nn.MaxPool2d(2), nn.ReLU()]
            channels = wider
    halved = 2 ** len(VGG16_STAGES)
    incoming = (image_size[0] // halved, image_size[1] // halved)
    dense_width = options.dense_width or VGG16_DENSE_WIDTH
    layers += [
        GridMean(incoming=incoming, grid=VGG16_GRID),
        nn.Flatten(),
        nn.Linear(channels * VGG16_GRID[0] * VGG16_GRID[1], dense_width),
        nn.ReLU(),
        nn.Linear(dense_width, dense_width),
        nn.ReLU(),
    ]
    return Classifier(nn.Sequential(*layers), nn.Linear(dense_width, class_count))


@dataclass(frozen=True, slots=True)
class ResidualStage:
    """Blocks of one width; the first one strides."""

    channels: int  # inside a block; four times as many come out
    blocks: int
    stride: int


# He and others 2016, Deep residual learning, table 1. The 3x3 convolution strides, not the 1x1 before it (called
# version 1.5), as in the public weights of torchvision and timm.
RESNET50_STAGES = (
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
    for stage in RESNET50_STAGES:
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
