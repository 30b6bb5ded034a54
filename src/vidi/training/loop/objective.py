"""What is asked of a network: from images to inputs, from logits to a loss, and how good it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vidi.metrics.outputs import SIGMOID, SOFTMAX, Outputs
from vidi.networks.layers import Classifier
from vidi.networks.side_by_side import Network
from vidi.training.data import TrainingData, channel_statistics
from vidi.training.engine.engine import ON_PROCESSOR, Engine
from vidi.training.engine.rates import Precision, where
from vidi.training.recipe import Recipe

# Of weights that come from elsewhere: how their training images were scaled.
FIXED: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "rescale": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),  # to 0 … 1
    "symmetric": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),  # to -1 … 1
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # the usual figures, times 255
}


@dataclass(frozen=True, slots=True)
class InputNormalisation:
    """What is subtracted from and divided out of each channel, in levels of 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def inputs(self, images: NDArray[np.uint8], *, engine: Engine = ON_PROCESSOR) -> Tensor:
        """(batch, height, width, 3) uint8 to (batch, 3, height, width) float32, where and as the engine wants it."""
        batch, height, width, colours = images.shape
        # Whole rows at a time: three colours are too few for the vector units, which makes it twice as fast.
        rows = torch.from_numpy(images).to(engine.device).reshape(batch, height, width * colours).to(torch.float32)
        mean, std = (torch.tensor(numbers, device=engine.device).repeat(width) for numbers in (self.mean, self.std))
        values = rows.sub_(mean).div_(std).view(images.shape).permute(0, 3, 1, 2)
        return values if engine.channels_last else values.contiguous()


def normalisation_for(recipe: Recipe, data: TrainingData) -> InputNormalisation:
    """What the recipe asks for; `standardise` means by the training images' own mean and deviation."""
    if recipe.normalisation in FIXED:
        return InputNormalisation(*FIXED[recipe.normalisation])
    rows = data.train_rows if data.colour_rows is None else data.colour_rows
    return InputNormalisation(*channel_statistics(data.images, rows))


def forward(network: Network, inputs: Tensor, *, precision: Precision) -> Tensor:
    """Logits as float32, computed in the given precision."""
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        logits: Tensor = network(inputs)
    return logits.to(torch.float32)


def summed_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    recipe: Recipe,
    class_weights: Tensor | None,
    image_weights: Tensor | None = None,
) -> Tensor:
    """The loss summed over the images, so that parts of a batch add up to the whole.

    Cross-entropy with the recipe's label smoothing, or the mean over classes of the squared difference between
    probabilities and truth. Where images may show several classes (labels (batch, classes) bool), the sum over the
    classes of each one's own cross-entropy. The loss of an image is multiplied by its weight, (batch,).
    """
    way = "sum" if image_weights is None else "none"
    smoothing = recipe.optimization.label_smoothing
    if labels.dtype == torch.bool:
        smoothed = labels.to(logits.dtype) * (1 - smoothing) + smoothing / 2
        errors = functional.binary_cross_entropy_with_logits(logits, smoothed, reduction=way)
        return errors if image_weights is None else (errors.sum(dim=1) * image_weights).sum()
    if recipe.optimization.loss == "cross-entropy":
        errors = functional.cross_entropy(
            logits, labels, weight=class_weights, label_smoothing=smoothing, reduction=way
        )
        return errors if image_weights is None else (errors * image_weights).sum()
    targets = functional.one_hot(labels, logits.shape[1]).to(torch.float32)
    errors = (logits.softmax(dim=1) - targets).square().mean(dim=1)
    for weights in (None if class_weights is None else class_weights[labels], image_weights):
        if weights is not None:
            errors = errors * weights
    return errors.sum()


def _plain_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy summed over the images, without smoothing or weights."""
    if labels.dtype == torch.bool:
        return functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="sum")
    return functional.cross_entropy(logits, labels, reduction="sum")


def count_right(logits: Tensor, labels: Tensor) -> int:
    """How many images got the right answer; where they may show several classes, about every class."""
    right = ((logits > 0) == labels).all(dim=1) if labels.dtype == torch.bool else logits.argmax(dim=1) == labels
    return int(right.sum())


def answer(
    network: Network,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    *,
    normalisation: InputNormalisation,
    precision: Precision = "float32",
    outputs: Outputs = SOFTMAX,
) -> NDArray[np.float32]:
    """Probabilities (rows, classes) float32 for some of the images (images, height, width, 3).

    They sum to 1, unless `outputs` says that each stands for itself.
    """
    network.eval()
    answers = []
    with torch.inference_mode():
        for start in range(0, len(rows), 64):
            piece = np.ascontiguousarray(images[rows[start : start + 64]])
            logits = forward(network, normalisation.inputs(piece), precision=precision)
            answers.append((logits.sigmoid() if outputs == SIGMOID else logits.softmax(dim=1)).numpy())
    return np.concatenate(answers)


def forget_weights(network: Classifier, class_weights: NDArray[np.float32]) -> None:
    """Take the class weights out of a network's answers again: probabilities follow the images' natural shares.

    Under weights a network learns probabilities that are multiplied by them. What remains of the weights is what the
    layers before the head made of them.

    Args:
        class_weights: (classes,); a class without images has 0 and is left alone.

    Source: Elkan 2001, The foundations of cost-sensitive learning, theorem 2.
    """
    shift = np.log(np.where(class_weights > 0, class_weights, 1))
    with torch.no_grad():
        network.head.bias.sub_(torch.from_numpy(shift).to(network.head.bias))


def score(
    network: Network, data: TrainingData, *, normalisation: InputNormalisation, precision: Precision
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over the validation images; see `summed_loss` and `count_right`."""
    network.eval()
    rows, device = data.validation_rows, where(network)
    engine = Engine(device=device, precision=precision)
    loss_sum, correct = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(rows), 128):
            piece = rows[start : start + 128]
            inputs = normalisation.inputs(data.images[piece], engine=engine)
            logits = forward(network, inputs, precision=precision)
            truth = torch.from_numpy(data.truth.at(piece).array).to(device)
            loss_sum += float(_plain_loss(logits, truth))
            correct += count_right(logits, truth)
    return loss_sum / len(rows), correct / len(rows)
