"""One hidden layer and no convolution: what there was before, to show what convolution adds."""

from torch import nn

from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions

DENSE_WIDTH = 128


def dense(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """All pixels into one dense layer with ReLU, then the classes."""
    options.refuse_others("dense", "dense_width")
    width = options.dense_width or DENSE_WIDTH
    pixels = 3 * image_size[0] * image_size[1]
    return Classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU()),
        nn.Linear(width, class_count),
    )
