"""vidi's own network: dense 3x3 convolutions, strong and fast on a processor, for images of 8 to 256 pixels."""

from torch import nn

from vidi.networks.layers import Classifier, ConvNorm, FoldBlocks, GlobalMean, Residual
from vidi.networks.options import NetworkOptions


def compact(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """A stem chosen by the image size, pooling stages, a residual pair in each, global mean, linear head.

    From 48 pixels on (shorter side), the stem first folds blocks of 2x2 pixels into channels, from 96 on 4x4:
    convolutions from 3 channels run at a quarter of the processor's rate, and full resolution costs most and adds
    least. Every other layer is a dense 3x3 convolution with many channels, which runs near the peak.
    """
    options.refuse_others("compact", "width")
    side = min(image_size)
    block = 1 if side < 48 else 2 if side < 96 else 4
    width = options.width or 1.0
    counts = [max(8, 8 * round(count * width / 8)) for count in _channel_counts(-(-side // block))]
    layers: list[nn.Module] = [] if block == 1 else [FoldBlocks(block)]
    channels = counts[0]
    layers.append(ConvNorm(3 * block * block, channels))
    for count in counts[1:]:
        layers.append(ConvNorm(channels, count, pool=True))
        layers.append(Residual(nn.Sequential(ConvNorm(count, count), ConvNorm(count, count))))
        channels = count
    layers.append(GlobalMean())
    return Classifier(nn.Sequential(*layers), nn.Linear(channels, class_count))


def _channel_counts(side: int) -> tuple[int, ...]:
    """Channels of the stem and of each stage, by the side of the stem's map; the last map is 2 to 7 regions a side."""
    if side < 14:
        return (32, 64, 128)
    if side < 28:
        return (32, 64, 128, 192)
    if side < 48:
        return (24, 48, 112, 224)
    return (32, 64, 128, 192, 256)
