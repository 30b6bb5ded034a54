"""MobileNetV4 of convolutions alone: quick for its accuracy; its ImageNet weights come from the hub."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from vidi.networks.layers import Classifier, ConvNorm, GlobalMean, Residual, convolution
from vidi.networks.options import NetworkOptions
from vidi.networks.published import refuse_small

STEM, FEATURES = 32, 960
Row = tuple[int, int, int, int, int, int]  # blocks, kernel before and inside (0: none), stride, expansion, channels

# Qin and others 2024, MobileNetV4 (arXiv 2404.10518): universal inverted bottlenecks. What stands before them is plain:
# convolutions of (channels, kernel, stride). The dense layer behind the mean, for 1,000 classes, is left out.
SMALL_START = ((32, 3, 2), (32, 1, 1), (96, 3, 2), (64, 1, 1))
SMALL: tuple[Row, ...] = (
    (1, 5, 5, 2, 3, 96),
    (4, 0, 3, 1, 2, 96),
    (1, 3, 0, 1, 4, 96),
    (1, 3, 3, 2, 6, 128),
    (1, 5, 5, 1, 4, 128),
    (1, 0, 5, 1, 4, 128),
    (1, 0, 5, 1, 3, 128),
    (2, 0, 3, 1, 4, 128),
)
MEDIUM_START = (128, 48)  # a convolution that strides, and one that narrows
MEDIUM: tuple[Row, ...] = (
    (1, 3, 5, 2, 4, 80),
    (1, 3, 3, 1, 2, 80),
    (1, 3, 5, 2, 6, 160),
    (2, 3, 3, 1, 4, 160),
    (1, 3, 5, 1, 4, 160),
    (1, 3, 3, 1, 4, 160),
    (1, 3, 0, 1, 4, 160),
    (1, 0, 0, 1, 2, 160),
    (1, 3, 0, 1, 4, 160),
    (1, 5, 5, 2, 6, 256),
    (1, 5, 5, 1, 4, 256),
    (2, 3, 5, 1, 4, 256),
    (1, 0, 0, 1, 4, 256),
    (1, 3, 0, 1, 4, 256),
    (1, 3, 5, 1, 2, 256),
    (1, 5, 5, 1, 4, 256),
    (2, 0, 0, 1, 4, 256),
    (1, 5, 0, 1, 2, 256),
)


def mobilenetv4_small(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """MobileNetV4-Conv-Small: about half of Lite0's work; images of any size from 32 pixels on."""
    options.refuse_others("mobilenetv4-small")
    refuse_small("mobilenetv4-small", image_size)
    start: list[nn.Module] = []
    channels = STEM
    for outgoing, kernel, stride in SMALL_START:
        start.append(_conv(channels, outgoing, kernel=kernel, stride=stride))
        channels = outgoing
    return _classifier(start, channels, SMALL, class_count)


def mobilenetv4_medium(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """MobileNetV4-Conv-Medium: about Lite2's work; images of any size from 32 pixels on."""
    options.refuse_others("mobilenetv4-medium")
    refuse_small("mobilenetv4-medium", image_size)
    inner, channels = MEDIUM_START
    start = nn.Sequential(_conv(STEM, inner, stride=2), _conv(inner, channels, kernel=1, active=False))
    return _classifier([start], channels, MEDIUM, class_count)


def _classifier(start: list[nn.Module], channels: int, rows: Sequence[Row], class_count: int) -> Classifier:
    layers: list[nn.Module] = [_conv(3, STEM, stride=2), *start]
    for count, before, inside, stride, expansion, outgoing in rows:
        for number in range(count):
            layers.append(_bottleneck(channels, outgoing, (before, inside), stride if number == 0 else 1, expansion))
            channels = outgoing
    layers += [_conv(channels, FEATURES, kernel=1), GlobalMean()]
    return Classifier(nn.Sequential(*layers), nn.Linear(FEATURES, class_count))


def _bottleneck(channels: int, outgoing: int, kernels: tuple[int, int], stride: int, expansion: int) -> nn.Module:
    """Look around in each channel, widen, look around again, narrow; added to what came in where shapes agree."""
    (before, inside), inner = kernels, channels * expansion
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if before:
        parts["dw_start"] = _conv(
            channels, channels, kernel=before, stride=1 if inside else stride, groups=channels, active=False
        )
    parts["pw_exp"] = _conv(channels, inner, kernel=1)
    if inside:
        parts["dw_mid"] = _conv(inner, inner, kernel=inside, stride=stride, groups=inner)
    parts["pw_proj"] = _conv(inner, outgoing, kernel=1, active=False)
    body = nn.Sequential(parts)
    return Residual(body) if stride == 1 and channels == outgoing else body


def _conv(
    channels: int, outgoing: int, *, kernel: int = 3, stride: int = 1, groups: int = 1, active: bool = True
) -> ConvNorm:
    return ConvNorm(
        convolution(channels, outgoing, kernel=kernel, stride=stride, groups=groups),
        scaled=True,
        activation="relu" if active else "none",
    )
