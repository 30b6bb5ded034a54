"""The plain networks of every introduction: `textbook` with convolution and pooling, and `dense` without, beside it."""

from torch import nn

from vidi.errors import UsageError
from vidi.networks.layers import Classifier
from vidi.networks.options import NetworkOptions

FILTERS = (32, 64, 64, 64, 64, 64)
DENSE_WIDTH = 64


def textbook(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """3x3 convolutions without padding, each with ReLU and 2x2 pooling, then a dense layer.

    At 256x256 pixels it has six blocks of 32, 64, 64, 64, 64 and 64 filters; smaller images take as many of them as
    leave at least one region. Pooling comes before ReLU: the same result, a quarter of the work (for max pooling;
    average pooling comes after it, where the order matters).

    Raises:
        UsageError: more blocks were asked for than the image size has room for.
    """
    options.refuse_others("textbook", "filters", "pooling", "dense_width")
    filters = FILTERS[: _blocks_that_fit(image_size)] if options.filters is None else options.filters
    fitting = _blocks_that_fit(image_size)
    if len(filters) > fitting:
        raise UsageError(
            f"{len(filters)} convolution blocks do not fit into images of {image_size[0]}x{image_size[1]} pixels",
            f"Use at most {fitting} filter counts, or larger images with --imgsz.",
        )
    layers: list[nn.Module] = []
    channels, (height, width) = 3, image_size
    for count in filters:
        average = options.pooling == "average"
        layers.append(nn.Conv2d(channels, count, 3))
        layers += [nn.ReLU(), nn.AvgPool2d(2)] if average else [nn.MaxPool2d(2), nn.ReLU()]
        channels, height, width = count, (height - 2) // 2, (width - 2) // 2
    dense_width = options.dense_width or DENSE_WIDTH
    layers += [nn.Flatten(), nn.Linear(channels * height * width, dense_width), nn.ReLU()]
    return Classifier(nn.Sequential(*layers), nn.Linear(dense_width, class_count))


def _blocks_that_fit(image_size: tuple[int, int]) -> int:
    side, count = min(image_size), 0
    while (side - 2) // 2 >= 1:
        side, count = (side - 2) // 2, count + 1
    return count


HIDDEN_UNITS = 128


def dense(*, image_size: tuple[int, int], class_count: int, options: NetworkOptions) -> Classifier:
    """All pixels into one dense layer with ReLU, then the classes."""
    options.refuse_others("dense", "dense_width")
    width = options.dense_width or HIDDEN_UNITS
    pixels = 3 * image_size[0] * image_size[1]
    return Classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU()),
        nn.Linear(width, class_count),
    )
