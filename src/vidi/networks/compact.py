"""vidi's own network: dense 3x3 convolutions, strong and fast on a processor, for images of 8 to 256 pixels."""

from dataclasses import dataclass

from torch import nn

from vidi.networks.layers import Classifier, ConvNorm, GlobalMean, convolution
from vidi.networks.options import NetworkOptions, widened
from vidi.networks.whitening import Whitening


@dataclass(frozen=True, slots=True)
class Shape:
    """A network for images whose shorter side is below a limit."""

    below: int  # pixels
    patch: int  # pixels a side of what the first layer looks at
    stride: int  # pixels between two patches
    patterns: int  # channels of the first layer
    stages: tuple[int, ...]  # channels of each stage; each halves the map


# Full resolution costs most and adds least, so large images are looked at in steps of 2 or 4 pixels; the first layer
# is not learned, which spares the slowest gradient. Channels are multiples of 16, the width of the registers.
SHAPES = (
    Shape(below=14, patch=2, stride=1, patterns=24, stages=(64, 128)),
    Shape(below=48, patch=2, stride=1, patterns=24, stages=(32, 128, 128)),
    Shape(below=96, patch=4, stride=2, patterns=32, stages=(48, 96, 192)),
    Shape(below=192, patch=4, stride=2, patterns=32, stages=(32, 64, 128, 192)),
    Shape(below=1 << 30, patch=8, stride=4, patterns=48, stages=(48, 80, 128, 192)),
)


def compact(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """Whitened patches, stages that each halve the map, global mean, linear head.

    A stage is a convolution with max pooling and one more; every convolution is a dense 3x3 one with batch
    normalisation and ReLU or GELU, which runs near the processor's peak. For grey images the first layer has no
    channels for colours, which would always be 0.
    """
    options.refuse_others("compact", "width", "grey", "activation")
    shape = next(shape for shape in SHAPES if min(image_size) < shape.below)
    directions = shape.patch**2 * (1 if options.grey else 3)
    channels = min(shape.patterns, 2 * directions)
    activation = options.activation or "relu"
    bend = nn.GELU() if activation == "gelu" else nn.ReLU()
    layers: list[nn.Module] = [Whitening(channels, kernel=shape.patch, stride=shape.stride), bend]
    for count in shape.stages:
        wider = widened(count, options)
        layers += [ConvNorm(convolution(channels, wider), pool=True, activation=activation)]
        layers += [ConvNorm(convolution(wider, wider), activation=activation)]
        channels = wider
    layers.append(GlobalMean())
    return Classifier(nn.Sequential(*layers), nn.Linear(channels, class_count))
