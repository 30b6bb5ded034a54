"""`vidi.train`, `check`, `evaluate`, `compare` and `benchmark`."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vidi.errors import MissingPackageError
from vidi.machine import Deadline, wait_without_spinning
from vidi.options import made
from vidi.workflows.interaction.events import logged_events
from vidi.workflows.requests.data import CheckRequest, DataRequest
from vidi.workflows.requests.model_file import BenchmarkRequest, CompareRequest, EvaluateRequest
from vidi.workflows.requests.train import TrainRequest

if TYPE_CHECKING:
    from vidi.workflows.benchmark import Benchmark
    from vidi.workflows.check import CheckReport
    from vidi.workflows.comparing import CompareResult
    from vidi.workflows.evaluate import EvaluateResult
    from vidi.workflows.train import Run

    Data = str | os.PathLike[str] | DataRequest


def data_of(data: "Data") -> DataRequest:
    """Return the request for a name or a path of data."""
    return data if isinstance(data, DataRequest) else DataRequest(source=os.fspath(data))


def missing_for_training(error: ModuleNotFoundError) -> MissingPackageError:
    """Return the error for a missing training package, such as torch."""
    return MissingPackageError(
        f"training needs {error.name}, which is not installed", 'Install it: pip install "vidi[train]"'
    )


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
        network: network: compact (default), textbook, dense, a name of pretrained weights or timm/NAME.
        pretrained: weights: auto, none, lite0, lite2, lite0+lite2, a name of `vidi fetch`, timm/NAME or a file.
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
        changes: any other value by its name: a value of recipe.toml, `options.NAME`, `augmentation.NAME`, or a setting
            of the run, for example `{"augmentation.flip": "none"}`.
        recall: minimum recall at the operating point, for the data's `positive` class or for each class. Give at most
            one of this and the next three.
        workers: number of decoding workers (default: one per core).
        images: False leaves all pictures out of the written files, and keeps no cache.
        track: also write the run to a tracker: mlflow or tensorboard.

    Raises:
        VidiError: a UsageError, DataError, ModelError, ResourceError or GateError.
    """
    given = dict(locals())
    begun, events = Deadline.after(0.0), logged_events()  # importing torch is on the user's time, too
    wait_without_spinning()  # before torch is imported
    if isinstance(recipe, Mapping):
        given |= {"recipe": None, "changes": {**recipe, **(changes or {})}}
    request = made(TrainRequest, {**given, "data": data_of(data)})
    from vidi.workflows.run.read import find_while_importing

    try:
        found = find_while_importing("vidi.workflows.train", request.data, events=events)
    except ModuleNotFoundError as error:
        raise missing_for_training(error) from error
    from vidi.workflows import train as story

    return story.train(request, events=events, begun=begun, found=found)


def check(
    data: "str | os.PathLike[str] | DataRequest",
    *,
    page: "str | os.PathLike[str] | None" = None,
    images: bool = True,
    suspects: bool = False,
) -> "CheckReport":
    """Find damaged images, copies, conflicting labels, leaks, small classes and odd images in a data set.

    Args:
        data: as for `train`.
        page: write the findings to an HTML page with the images.
        images: False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.
        suspects: find labels that are likely wrong, from held-out answers of a pretrained network.

    Raises:
        UsageError: the data or a class does not exist.
        DataError: the data holds no image with a class.
    """
    given = dict(locals())
    from vidi.workflows import check as story

    return story.check(made(CheckRequest, {**given, "data": data_of(data)}), events=logged_events())


def evaluate(
    model: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest",
    *,
    output: "str | os.PathLike[str] | None" = None,
    overwrite: bool = False,
    robustness: bool = False,
    engine: str = "onnxruntime",
    images: bool = True,
) -> "EvaluateResult":
    """Score a model file on labelled images; classes are matched by name, and its training images are left out.

    Args:
        model: path to a model file or a run folder.
        data: as for `train`.
        output: path to the output folder (default evaluations/NAME).
        overwrite: replace earlier results at the output path.
        robustness: also score blurred, noisy, dark and rotated copies of the images; this takes about 20 times as long.
        engine: engine that runs the model: onnxruntime or openvino.
        images: False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.

    Raises:
        ModelError: there is no model file, or it cannot be trusted.
        DataError: there is no common class, or no image left to score.
        UsageError, ResourceError: a wrong option; disk, memory or time ran out.
    """
    given = dict(locals())
    from vidi.workflows import evaluate as story

    return story.evaluate(made(EvaluateRequest, {**given, "data": data_of(data)}), events=logged_events())


def compare(
    first: "str | os.PathLike[str]",
    second: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest",
    *,
    output: "str | os.PathLike[str] | None" = None,
    overwrite: bool = False,
    images: bool = True,
) -> "CompareResult":
    """Test whether the second model is better than the first, on labelled images that neither was trained on.

    Args:
        first: path to a model file or a run folder; model A.
        second: path to the other one; model B.
        data: as for `train`.
        output: path to the output folder (default comparisons/NAME).
        overwrite: replace earlier results at the output path.
        images: False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.

    Raises:
        ModelError: there is no model file, or it cannot be trusted.
        DataError: there is no common class, or no image left to score.
        UsageError, ResourceError: a wrong option; disk, memory or time ran out.
    """
    given = dict(locals())
    from vidi.workflows import compare as story

    return story.compare(made(CompareRequest, {**given, "data": data_of(data)}), events=logged_events())


def benchmark(
    models: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
    *,
    data: str | None = None,
    engines: Sequence[str] | None = None,
    seconds: float = 30.0,
) -> "Benchmark":
    """Measure speed, memory and size of models on this processor, by engine, precision and threads.

    Args:
        models: path to a model file or a run folder, a registered name, or several of these.
        data: image file, folder, pattern or archive to decode and answer (default: drawn images).
        engines: engines to time; by default each that is installed.
        seconds: time for measuring; starting is not counted.

    Returns:
        The figures: `as_json()` has them as plain values, and their text is that of the command.

    Raises:
        ModelError: there is no model file, it cannot be trusted, or no engine takes it.
        DataError: there is no image, or the video cannot be read.
        UsageError: a wrong option; an engine is unknown or not installed.
    """
    given = dict(locals())
    from vidi.workflows import benchmark as story

    named = [models] if isinstance(models, str | os.PathLike) else models
    return story.benchmark(made(BenchmarkRequest, {**given, "models": tuple(os.fspath(one) for one in named)}))
