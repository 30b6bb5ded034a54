"""A model whose answer is known by hand: how much redder than green a window is."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata, Normalisation
from vidi.model_file.write import write_model
from vidi.networks.layers import Classifier, GlobalMean
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor

SIZE = (32, 32)


def red_model(path: Path, *, pools: bool = False, multi_label: bool = False, other: str = "background") -> Predictor:
    """Classes `background` and `red`: a red square in the middle half of the image, and nothing red around it.

    Args:
        path: where the model file is written.
        pools: let it look at the mean alone instead: red where most of the image is red, with evidence maps.
        multi_label: each class is told by itself; since nothing speaks for `background`, `red` is as likely.
        other: what the class `background` is called.
    """
    grid: list[nn.Module] = [nn.AvgPool2d(2), nn.AvgPool2d(2), nn.AvgPool2d(2)]  # 4 x 4 places
    network = Classifier(nn.Sequential(*grid, GlobalMean()), nn.Linear(3, 2))
    weight, bias = torch.tensor([[0.0, 0.0, 0.0], [20.0, -20.0, 0.0]]), torch.tensor([0.0, -3.0])
    if not pools:
        inside = torch.zeros(4, 4)
        inside[1:3, 1:3] = 1
        place = 10 * inside - 5 * (1 - inside)
        network = Classifier(nn.Sequential(*grid, nn.Flatten()), nn.Linear(48, 2))
        weight = torch.zeros(2, 3, 4, 4)
        weight[1, 0], weight[1, 1] = place, -place
        weight, bias = weight.reshape(2, 48), torch.tensor([0.0, -18.0])
    with torch.no_grad():
        network.head.weight.copy_(weight)
        network.head.bias.copy_(bias)
    metadata = ModelMetadata(
        classes=(other, "red"),
        framing=Framing(size=SIZE, mode="stretch"),
        multi_label=multi_label,
        normalisation=Normalisation(mean=(0.0, 0.0, 0.0), standard_deviation=(255.0, 255.0, 255.0)),
    )
    write_model(path, to_onnx(network.eval(), SIZE), metadata)
    return Predictor.load(path)


def with_square(
    *, size: tuple[int, int] = (120, 160), corner: tuple[int, int] = (30, 60), side: int = 40
) -> np.ndarray:
    """A grey image with a red square, its upper left corner at (row, column)."""
    image = np.full((*size, 3), 128, np.uint8)
    image[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = (255, 0, 0)
    return image
