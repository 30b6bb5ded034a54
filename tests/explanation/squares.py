"""A red or a blue square somewhere on noise, and a network that tells which: where it must look is known."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vidi.images.framing import Framing
from vidi.model_file.metadata import Calibration, ModelMetadata
from vidi.model_file.write import write_model
from vidi.networks.layers import Classifier, ConvNorm, GlobalMean, convolution
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor

SIZE, SIDE = (32, 32), 8  # pixels, of an image and of its square
COLOURS = ((230, 40, 40), (40, 40, 230))
CLASSES = ("red", "blue")


def draw_squares(count: int, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Images (count, 32, 32, 3), their classes, and (count, 2) the top and left of each square."""
    random = np.random.default_rng(seed)
    images = random.integers(60, 200, (count, *SIZE, 3), dtype=np.uint8)
    labels = random.integers(0, 2, count)
    corners = random.integers(0, SIZE[0] - SIDE + 1, (count, 2))
    for image, label, (top, left) in zip(images, labels, corners, strict=True):
        image[top : top + SIDE, left : left + SIDE] = COLOURS[label]
    return images, labels.astype(np.int64), corners.astype(np.int64)


def square_network(*, seed: int) -> Classifier:
    """Three convolutions and a mean over 8 x 8 regions, untrained."""
    torch.manual_seed(seed)
    layers = nn.Sequential(
        ConvNorm(convolution(3, 8), pool=True),
        ConvNorm(convolution(8, 16), pool=True),
        ConvNorm(convolution(16, 16, kernel=1)),
        GlobalMean(),
    )
    return Classifier(layers, nn.Linear(16, 2))


def train_squares(*, steps: int = 40) -> Classifier:
    """The network, trained until it tells the squares apart."""
    network = square_network(seed=0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    images, labels, _ = draw_squares(steps * 32, seed=1)
    inputs, targets = as_inputs(images), torch.from_numpy(labels)
    for step in range(steps):
        some = slice(32 * step, 32 * (step + 1))
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs[some]), targets[some]).backward()
        optimizer.step()
    return network.eval()


def as_inputs(images: NDArray[np.uint8]) -> torch.Tensor:
    """What the model file's own preprocessing makes of framed images."""
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127.5) / 127.5


def as_predictor(network: Classifier, path: Path) -> Predictor:
    """The network in a model file."""
    metadata = ModelMetadata(classes=CLASSES, framing=Framing(size=SIZE), calibration=Calibration(image_count=10))
    write_model(path, to_onnx(network.eval(), SIZE), metadata)
    return Predictor.load(path)
