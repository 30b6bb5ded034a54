"""vidi's own network: dense 3x3 convolutions, strong and fast on a processor, for images of 8 to 256 pixels."""

from dataclasses import dataclass

from torch import nn

from vidi.networks.layers import Classifier, ConvNorm, FoldBlocks, GlobalMean, Residual
from vidi.networks.options import NetworkOptions, widened


@dataclass(frozen=True, slots=True)
class Shape:
    """A network for images whose shorter side is below a limit."""

    below: int  # pixels
    block: int  # pixels a side that the stem folds into channels; 1 = none
    stem: int  # channels before the first pooling
    stages: tuple[int, ...]  # channels of each stage; each halves the map


# Channels are multiples of 16, the width of the processor's registers; full resolution costs most and adds least, so
# large images are folded, which also spares the convolution from 3 channels that runs at a quarter of the peak.
SHAPES = (
    Shape(below=14, block=1, stem=32, stages=(64, 128)),
    Shape(below=48, block=1, stem=16, stages=(32, 96, 192)),
    Shape(below=96, block=2, stem=16, stages=(48, 96, 192)),
    Shape(below=192, block=2, stem=16, stages=(32, 64, 128, 192)),
    Shape(below=1 << 30, block=4, stem=32, stages=(48, 80, 128, 192)),
)


def compact(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """A stem chosen by the image size, stages that each halve the map, global mean, linear head.

    A stage is a convolution with max pooling and one more beside a shortcut; every convolution is a dense 3x3 one
    with batch normalisation and ReLU, which runs near the processor's peak.
    """
    options.refuse_others("compact", "width")
    shape = next(shape for shape in SHAPES if min(image_size) < shape.below)
    layers: list[nn.Module] = [] if shape.block == 1 else [FoldBlocks(shape.block)]
    channels = widened(shape.stem, options)
    layers.append(ConvNorm(3 * shape.block**2, channels))
    for count in shape.stages:
        wider = widened(count, options)
        layers += [ConvNorm(channels, wider, pool=True), Residual(nn.Sequential(ConvNorm(wider, wider)))]
        channels = wider
    layers.append(GlobalMean())
    return Classifier(nn.Sequential(*layers), nn.Linear(channels, class_count))
