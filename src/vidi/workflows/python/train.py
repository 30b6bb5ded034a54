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

if TYPE_CHECKING:
    from vidi.workflows.train import Run


def train(
    data: "str | os.PathLike[str] | DataRequest",
    output: "str | os.PathLike[str] | None" = None,
    *,
    overwrite: bool = False,
    minutes: float | None = None,
    ensemble: int | None = None,
    ensemble_by: str | None = None,
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
    find_label_errors: bool = False,
    drop_suspects: bool = False,
    learning_curve: bool = False,
    max_error: float = 0.05,
    coverage: float = 0.95,
    recall: float | None = None,
    precision: float | None = None,
    false_alarms_per: float | None = None,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    workers: int | None = None,
    images: bool = True,
) -> "Run":
    """Check, split, train, calibrate and test: from labelled images to a run folder with `model.onnx` and its report.

    Args:
        data: a folder, archive, table, annotation file or known set; a `vidi.DataRequest` says more about it.
        output: the run folder; `runs/NAME` when left out.
        overwrite: replace what an earlier run wrote there.
        minutes: time for everything, from reading to the report.
        ensemble: train K times, and make one model of it.
        ensemble_by: what the K trainings differ in: seeds (default) or folds.
        network: compact, textbook, dense, lite0, lite2, lite0-grid, vgg16, resnet50 or timm/NAME; compact when left
            out.
        pretrained: weights to begin from: auto, none, lite0, lite2, vgg16, resnet50, timm/NAME or a file of weights.
        weights: begin a new run from the weights of another.
        recipe: train by a recipe.toml; other options stand above it. A mapping is taken as `changes`.
        freeze: learn only a head on the pretrained network.
        epochs: passes over the training images.
        batch: images for one step of the weights.
        image_size: pixels the network sees, one number or (height, width).
        learning_rate: peak learning rate.
        optimizer: adam, adamw, sgd or muon.
        loss: cross-entropy or mean-squared-error.
        patience: epochs without gain until it stops early; 0: never.
        seed: decides every random number of the training.
        device: cpu, cuda or mps; a GPU that torch can use is taken by itself.
        changes: any other value of the recipe by its name: a field of `vidi.training.recipe.Recipe`, `options.NAME` or
            `augmentation.NAME`, such as `{"augmentation.flip": "none"}`.
        find_label_errors: look for wrong labels among all images, if that takes longer.
        drop_suspects: learn without training images whose label is likely wrong.
        learning_curve: say what more images would bring, also for a network from scratch.
        max_error: at most so many of the sure answers are wrong.
        coverage: at least so often the truth is among the candidates.
        recall: at the operating point at least this share of a class is found; of the data's `positive` class, or of
            each. Of this and the next three at most one.
        precision: at least so much of what is called the class is it: 0.95.
        false_alarms_per: call at most 1 of N other images the class: 1000.
        costs: True class → answer → what it costs; decided is what is cheapest.
        workers: decoding workers; one for each core.
        images: False leaves every picture out of what is written, and nothing in the cache.

    Raises:
        VidiError: UsageError, DataError, ModelError, ResourceError or GateError, as their names say.
    """
    given = dict(locals())
    begun = Deadline.after(0.0)  # importing torch is on the user's time, too
    wait_without_spinning()  # before torch is imported
    try:
        from vidi.workflows import train as story
    except ModuleNotFoundError as error:
        raise missing_for_training(error) from error
    if isinstance(recipe, Mapping):
        given |= {"recipe": None, "changes": {**recipe, **(changes or {})}}
    request = made(TrainRequest, {**given, "data": data_of(data)})
    return story.train(request, events=LoggedEvents(), begun=begun)
