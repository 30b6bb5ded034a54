"""VGG16: thirteen 3x3 convolutions and three dense layers, the network of many published comparisons."""

from torch import nn

from vidi.networks.layers import Classifier, GridMean
from vidi.networks.options import NetworkOptions, widened
from vidi.networks.size import refuse_small

# Simonyan and Zisserman 2015, Very deep convolutional networks, configuration D: the channels of each stage's layers.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
GRID = (7, 7)  # (rows, columns) that the first dense layer takes: what images of 224x224 pixels leave
DENSE_WIDTH = 4096


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
    for stage in STAGES:
        for number, count in enumerate(stage, start=1):
            wider = widened(count, options)
            layers.append(nn.Conv2d(channels, wider, 3, padding=1))
            layers += [nn.ReLU()] if number < len(stage) else [nn.MaxPool2d(2), nn.ReLU()]
            channels = wider
    halved = 2 ** len(STAGES)
    incoming = (image_size[0] // halved, image_size[1] // halved)
    dense_width = options.dense_width or DENSE_WIDTH
    layers += [
        GridMean(incoming=incoming, grid=GRID),
        nn.Flatten(),
        nn.Linear(channels * GRID[0] * GRID[1], dense_width),
        nn.ReLU(),
        nn.Linear(dense_width, dense_width),
        nn.ReLU(),
    ]
    return Classifier(nn.Sequential(*layers), nn.Linear(dense_width, class_count))
