"""`vidi.train`."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vidi.machine import Deadline, wait_without_spinning
from vidi.options import made
from vidi.workflows.interaction.logged import LoggedEvents
from vidi.workflows.python.given import data_of, missing_for_training
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.read import find_while_importing

if TYPE_CHECKING:
    from vidi.workflows.train import Run


def train(
    data: "str | os.PathLike[str] | DataRequest",
    output: "str | os.PathLike[str] | None" = None,
    *,
    overwrite: bool = False,
    minutes: float | None = None,
    ensemble: int | None = None,
    network: str | None = None,
    pretrained: "str | os.PathLike[str] | None" = None,
    weights: "str | os.PathLike[str] | None" = None,
    recipe: "str | os.PathLike[str] | Mapping[str, object] | None" = None,
    freeze: bool = False,
    epochs: int | None = None,
    batch: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    learning_rate: float | None = None,
    optimizer: str | None = None,
    loss: str | None = None,
    patience: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    changes: Mapping[str, object] | None = None,
    recall: float | None = None,
    workers: int | None = None,
    images: bool = True,
    track: str | None = None,
) -> "Run":
    """Train a classifier on labelled images: check, split, train, calibrate, test, and write `model.onnx` and a report.

    Args:
        data: folder, archive, table, annotation file or known data set; a `vidi.DataRequest` takes more options.
        output: path to the run folder (default runs/NAME).
        overwrite: replace earlier results at the output path.
        minutes: time limit in minutes, from reading to the report.
        ensemble: train K networks and combine them into one model.
        network: network: compact, textbook, dense, lite0, lite2, lite0+lite2, lite0-grid, vgg16, resnet50, timm/NAME
            (default compact).
        pretrained: pretrained weights: auto, none, lite0, lite2, lite0+lite2, vgg16, resnet50, timm/NAME or a file.
        weights: start from the weights of another run or model file.
        recipe: train with a recipe.toml; other options override it. A mapping works like `changes`.
        freeze: train only the last layer of the pretrained network.
        epochs: maximum number of passes over the training images.
        batch: number of images per training step.
        image_size: image size for the network in pixels: one number, or (height, width).
        learning_rate: peak learning rate, for example 0.001.
        optimizer: name of the optimizer: adam, adamw, sgd or muon.
        loss: name of the loss: cross-entropy or mean-squared-error.
        patience: number of epochs without improvement before training stops; 0 means never.
        seed: seed for all random numbers of the training.
        device: where to train: cpu, cuda or mps (default: a GPU if torch can use one).
        changes: any other value by its name: a field of `vidi.training.recipe.Recipe`, `options.NAME`,
            `augmentation.NAME`, or a setting of the run, for example `{"augmentation.flip": "none"}`.
        recall: minimum recall at the operating point, for the data's `positive` class or for each class. Give at most
            one of this and the next three.
        workers: number of decoding workers (default: one per core).
        images: False leaves all pictures out of the written files, and keeps no cache.
        track: also write the run to a tracker: mlflow or tensorboard.

    Raises:
        VidiError: a UsageError, DataError, ModelError, ResourceError or GateError.
    """
    given = dict(locals())
    begun, events = Deadline.after(0.0), LoggedEvents()  # importing torch is on the user's time, too
    wait_without_spinning()  # before torch is imported
    if isinstance(recipe, Mapping):
        given |= {"recipe": None, "changes": {**recipe, **(changes or {})}}
    request = made(TrainRequest, {**given, "data": data_of(data)})
    try:
        found = find_while_importing("vidi.workflows.train", request.data, events=events)
    except ModuleNotFoundError as error:
        raise missing_for_training(error) from error
    from vidi.workflows import train as story

    return story.train(request, events=events, begun=begun, found=found)
