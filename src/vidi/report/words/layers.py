"""Layers of a network, explained for beginners."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Literal

Kind = Literal["convolution", "depthwise", "pointwise", "dense", "mean", "grid", "blocks", "row", "other"]

STEPS: Mapping[str, str] = {
    "Relu": "negative values become 0 (ReLU)",
    "Erf": "negative values become nearly 0, with a smooth bend (GELU)",
    "MaxPool": "the largest of each {kernel} is kept (max pooling)",
    "AveragePool": "the mean of each {kernel} is kept (average pooling)",
    "Add": "the input is added (a shortcut)",
    "Clip": "values are limited to a range",
    "Clip to 6": "values are limited to 0 to 6 (ReLU6)",
    "Sigmoid": "values are mapped to 0 to 1",
}
KINDS: Mapping[Kind, str] = {
    "convolution": "Convolution {kernel}",
    "depthwise": "Convolution {kernel}, each map separately",
    "pointwise": "Convolution 1×1: mixes the maps",
    "dense": "Dense layer",
    "mean": "Mean over all positions",
    "grid": "Mean over each region of a grid",
    "blocks": "Blocks of pixels become channels",
    "row": "All numbers in one row",
    "other": "{operator}",
}
# What each kind does, for a reader who meets it for the first time.
EXPLANATIONS: Mapping[str, str] = {
    "convolution": "A convolution slides a small window of weights, a filter, over all input maps. It gives one "
    "new map for each filter: high wherever the pattern of this filter appears.",
    "depthwise": "Each map has its own small window, and maps are not mixed: a fraction of the work.",
    "pointwise": "A window of 1×1 sees only one position: there it mixes the numbers of all maps into new ones.",
    "dense": "In a dense layer every input number is connected to every output number by its own weight. It "
    "ignores where in the image a number came from, and needs many weights.",
    "mean": "Only the mean of each map is kept: how much of a pattern there is, not where.",
    "grid": "Each map is cut into a few regions, and the mean of each region is kept, so that images of any size fit.",
    "blocks": "Small blocks of pixels are stacked: fewer positions, more numbers at each.",
    "row": "The maps become one long row of numbers for the following dense layers.",
    "relu": "ReLU sets negative numbers to 0. ReLU6 also limits them to 6, and GELU bends smoothly. Without such a "
    "bend, any number of layers could do no more than one.",
    "pooling": "Pooling makes maps smaller by keeping one number of several. A shift by one pixel then hardly "
    "matters, and the next layer sees more of the image at once.",
    "shortcut": "A shortcut adds the input of a layer to its output, so that the layer only needs to learn the change.",
    "multiply-adds": "Multiply-adds are the work: one number times one weight, added to a sum. A convolution has "
    "few weights but uses them at every position. So the first layers often cost most, and the last hold most weights.",
}
STEP_KINDS: Mapping[str, str] = {
    "Relu": "relu",
    "Clip": "relu",
    "Erf": "relu",
    "MaxPool": "pooling",
    "AveragePool": "pooling",
    "Add": "shortcut",
}


def words_needed(kinds: Sequence[Kind], operators: Sequence[str]) -> tuple[str, ...]:
    """The explanations of what occurs in a network, in the order of `EXPLANATIONS`.

    Args:
        kinds: of its layers.
        operators: of the steps after its layers.
    """
    wanted = {*kinds, *(STEP_KINDS[one] for one in operators if one in STEP_KINDS), "multiply-adds"}
    return tuple(text for name, text in EXPLANATIONS.items() if name in wanted)


def convolution_arithmetic(weight: Sequence[int], *, biases: int) -> str:
    """Where the number of a convolution's weights comes from.

    >>> convolution_arithmetic((32, 3, 3, 3), biases=32)
    '32 filters of 3 maps × 3 × 3 = 864 weights, and 32 biases'
    """
    filters, maps, *window = weight
    count = prod(weight)
    return f"{filters:,} filters of {_maps(maps)} × {' × '.join(map(str, window))} = {count:,} weights{_added(biases)}"


def dense_arithmetic(incoming: int, outgoing: int, *, biases: int) -> str:
    """Where the number of a dense layer's weights comes from.

    >>> dense_arithmetic(256, 64, biases=64)
    '256 numbers in × 64 out = 16,384 weights, and 64 biases'
    """
    return f"{incoming:,} numbers in × {outgoing:,} out = {incoming * outgoing:,} weights{_added(biases)}"


def _maps(count: int) -> str:
    return "1 map" if count == 1 else f"{count:,} maps"


def _added(biases: int) -> str:
    return f", and {biases:,} biases" if biases else ""


def shape_in_words(shape: Sequence[int]) -> str:
    """What comes out of a layer for one image.

    >>> shape_in_words((48, 32, 32)), shape_in_words((64,)), shape_in_words(())
    ('48 maps of 32 × 32', '64 numbers', 'of unknown shape')
    """
    if not shape or min(shape) < 1:
        return "of unknown shape"
    if len(shape) == 3 and prod(shape[1:]) > 1:
        return f"{shape[0]:,} map{'s' * (shape[0] > 1)} of {shape[1]:,} × {shape[2]:,}"
    return f"{prod(shape):,} number{'s' * (prod(shape) > 1)}"
