"""The functions of `vidi` for Python: the command line's verbs, with the options that matter as arguments.

Every option of a verb stands in its request (`DataRequest`, `TrainRequest`, `EvaluateRequest`); what is rarely needed
is said there, and `vidi.workflows.train.train(request)` and its like take the request itself.
What goes on while they work is told to Python's log: `logging.basicConfig(level="INFO")` shows it.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vidi.errors import MissingPackageError
from vidi.machine import wait_without_spinning
from vidi.workflows.interaction.logged import LoggedEvents

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vidi.prediction.predictor import Predictor
    from vidi.report.explanation import Explanation
    from vidi.workflows.check import Checked
    from vidi.workflows.compare import Compared
    from vidi.workflows.evaluate import Evaluated
    from vidi.workflows.interaction.request import DataRequest
    from vidi.workflows.locating.search import LocatedImage
    from vidi.workflows.train import Run


def train(
    data: "str | os.PathLike[str] | DataRequest",
    output: "str | os.PathLike[str] | None" = None,
    *,
    network: str | None = None,
    pretrained: str | None = None,
    minutes: float | None = None,
    ensemble: int | None = None,
    recipe: Mapping[str, object] | None = None,
    overwrite: bool = False,
    max_error: float | None = None,
    coverage: float | None = None,
    recall: float | None = None,
    precision: float | None = None,
    false_alarms_per: float | None = None,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    images: bool = True,
) -> "Run":
    """Check, split, train, calibrate and test: from labelled images to a run folder with `model.onnx` and its report.

    Args:
        data: a folder, archive, table, annotation file or known set; a `vidi.DataRequest` says more about it.
        output: the run folder; `runs/NAME` when left out.
        network: `compact` (where left out), `textbook` or `dense`.
        pretrained: weights to begin from instead: `auto`, `lite0` or `lite2`.
        minutes: time for everything, from reading to the report.
        ensemble: so many trainings become one model; one when left out.
        recipe: values of the recipe to set: a field of `vidi.training.recipe.Recipe`, `options.NAME` or
            `augmentation.NAME`, such as `{"epochs": 5, "augmentation.flip": "none"}`.
        max_error: at most this share of the answers called `sure` may be wrong; 0.05 when left out.
        coverage: at least this often the truth is among an answer's candidates; 0.95 when left out.
        recall: at the operating point at least this share of a class is found; of the data's `positive` class, or of
            each. Of this and the next three at most one.
        precision: at least this share of what is called a class is it.
        false_alarms_per: of so many images that do not show a class, at most one is called it.
        costs: true class → answer → what it costs; decided is what is cheapest.
        overwrite: replace an earlier run in `output`.
        images: False leaves every picture out of what is written, and nothing in the cache.

    Raises:
        VidiError: UsageError, DataError, ModelError, ResourceError or GateError, as their names say.
    """
    from vidi.evaluation.guarantees.limits import Promise
    from vidi.evaluation.guarantees.wish import Wish

    wait_without_spinning()  # before torch is imported
    try:
        from vidi.workflows import train as story
    except ModuleNotFoundError as error:
        raise missing_for_training(error) from error
    request = story.TrainRequest(
        data=_as_request(data),
        network=network,
        pretrained=pretrained,
        changes=dict(recipe or {}),
        minutes=minutes,
        ensemble=ensemble,
        promise=Promise.of(max_error=max_error, coverage=coverage),
        wish=Wish.of(recall=recall, precision=precision, false_alarms_per=false_alarms_per, costs=costs),
        images=images,
        output=None if output is None else Path(output),
        overwrite=overwrite,
    )
    return story.train(request, events=LoggedEvents())


def load(model: "str | os.PathLike[str]") -> "Predictor":
    """Open a model file, or the one in a run folder.

    Raises:
        ModelError: it is not there, damaged, changed, hostile, or not written by vidi.
    """
    from vidi.prediction.predictor import Predictor

    return Predictor.load(Path(model))


def check(data: "str | os.PathLike[str] | DataRequest", *, workers: int | None = None) -> "Checked":
    """Decode every image once, and say what its owner should know before anything is trained on it.

    Args:
        data: as for `train`.
        workers: decoding processes; one for each core when left out.

    Raises:
        UsageError: the source or a class is not there.
        DataError: it holds no image with a class.
    """
    from vidi.workflows import check as story

    return story.check(_as_request(data), workers=workers, events=LoggedEvents())


def evaluate(
    model: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest",
    *,
    output: "str | os.PathLike[str] | None" = None,
    renames: Mapping[str, str] | None = None,
    overwrite: bool = False,
    images: bool = True,
    robustness: bool = True,
) -> "Evaluated":
    """Score a model file on labelled images; classes are matched by name, and what it learnt from is set aside.

    Args:
        model: model file or run folder.
        data: as for `train`.
        output: the folder for metrics.json, predictions.csv and report.html; `evaluations/NAME` when left out.
        renames: a class of the data → the model's name for it.
        overwrite: replace an earlier evaluation in `output`.
        images: False leaves every picture out of what is written.
        robustness: also ask about images made blurred, noisy, dark, turned; False is quicker.

    Raises:
        ModelError: no model file, or not one to trust.
        DataError: no class in common, or no image left to score.
        UsageError, ResourceError: as their names say.
    """
    from vidi.workflows import evaluate as story

    request = story.EvaluateRequest(
        model=Path(model),
        data=_as_request(data),
        renames=dict(renames or {}),
        images=images,
        robustness=robustness,
        output=None if output is None else Path(output),
        overwrite=overwrite,
    )
    return story.evaluate(request, events=LoggedEvents())


def explain(
    model: "str | os.PathLike[str] | Predictor",
    image: "str | os.PathLike[str] | NDArray[np.uint8]",
    *,
    top: int | None = None,
    occlusion: bool = True,
    layers: bool = True,
) -> "Explanation":
    """Say why a model answers about an image as it does: maps over the image, training images like it, what layers see.

    Args:
        model: model file or run folder, or what `load` returned; of a run, the nearest training images are told.
        image: an image file, or (height, width, 3) uint8, upright RGB.
        top: maps for so many classes, the most probable first; for two or three that matter when left out.
        occlusion: cover one part after another and ask again, which takes a hundred answers or so.
        layers: what each layer of the network sees.

    Raises:
        ModelError: no model file, or not one to trust.
        ImageError: the image cannot be used.
        ShapeError: an array that is no image.
    """
    from vidi.prediction.predictor import Predictor
    from vidi.workflows import explain as story
    from vidi.workflows.explaining.neighbours import neighbours_of

    predictor = model if isinstance(model, Predictor) else Predictor.load(Path(model))
    wanted = story.Wanted(
        top=top, occlusion=occlusion, layers=layers, known=neighbours_of(predictor.model, events=LoggedEvents())
    )
    if isinstance(image, str | os.PathLike):
        return story.explain_file(predictor, os.fspath(image), wanted=wanted)
    return story.explain_image(predictor, image, wanted=wanted)


def locate(
    model: "str | os.PathLike[str] | Predictor",
    images: object,
    *,
    classes: Sequence[str] | None = None,
    by: Literal["windows", "evidence"] = "windows",
    least: float = 0.5,
    smallest: float | None = None,
    largest: float | None = None,
    overlap: float = 0.4,
    soft: bool = False,
    most: int = 100,
    fills: tuple[float, float] = (1.0, 1.0),
) -> "list[LocatedImage]":
    """Find boxes around what a model recognises; it has learnt from labels of whole images alone.

    Nobody knows how good such boxes are before they are compared with true ones: `vidi evaluate --boxes` does that.

    Args:
        model: model file or run folder, or what `load` returned.
        images: a list of paths, of Pillow images, or of uint8 arrays (height, width, 3), upright RGB, or
            (height, width), grey, of any sizes; or one uint8 array of all images.
        classes: to look for; all but those whose name says that nothing is there when left out.
        by: `windows` of many sizes, or the `evidence` map of the image as a whole, which is faster.
        least: probability of a box, at least.
        smallest: shorter side of the smallest window, pixels of the image; chosen by its size when left out.
        largest: of the largest one.
        overlap: boxes whose intersection is a larger share of their union than that are about one thing.
        soft: lower the scores of overlapping boxes in place of dropping them.
        most: boxes for each class and image.
        fills: (height, width), the share of a training image that its thing filled: boxes shrink by it.

    Returns:
        For each image, in order, its `boxes`, the likeliest first: each has a `label`, a `score` and a `box` x_min,
        y_min, x_max, y_max in pixels of the upright image. One that cannot be used has no boxes, and an `error`.

    Raises:
        ModelError: no model file, or not one to trust; or evidence was asked for of a model that gives none.
        ShapeError: `images` holds something else than images.
        UsageError: a class that the model does not have, or a number that makes no sense.
    """
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.interaction.given import list_images
    from vidi.workflows.locating.given import locate_given
    from vidi.workflows.locating.search import LocateRequest, finder

    given = list_images(images)
    predictor = model if isinstance(model, Predictor) else Predictor.load(Path(model))
    request = LocateRequest(
        classes=None if classes is None else tuple(classes),
        by=by,
        least=least,
        smallest=smallest,
        largest=largest,
        overlap=overlap,
        soft=soft,
        most=most,
        share=fills,
    )
    return list(locate_given(finder(predictor, request), given))


def compare(
    first: "str | os.PathLike[str]",
    second: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest | None" = None,
    *,
    output: "str | os.PathLike[str] | None" = None,
    renames: Mapping[str, str] | None = None,
    overwrite: bool = False,
    images: bool = True,
) -> "Compared":
    """Say whether the second model is better than the first, on labelled images that neither learnt from.

    Args:
        first: model file or run folder; called A.
        second: the other one; called B.
        data: as for `train`; left out where `first` and `second` are folders that `evaluate` wrote of the same images.
        output: the folder for compare.json, compare.html and disagreements.csv; `comparisons/NAME` when left out.
        renames: a class of the data → a model's name for it.
        overwrite: replace an earlier comparison in `output`.
        images: False leaves every picture out of what is written.

    Raises:
        ModelError: no model file, or not one to trust.
        DataError: no class that both know, or no image left to score; without data: not about the same images.
        UsageError, ResourceError: as their names say.
    """
    from vidi.workflows import compare as story
    from vidi.workflows.comparing.stored import StoredRequest, compare_stored

    place = None if output is None else Path(output)
    if data is None:
        stored = StoredRequest(first=Path(first), second=Path(second), images=images, output=place, overwrite=overwrite)
        return compare_stored(stored, events=LoggedEvents())
    request = story.CompareRequest(
        first=Path(first),
        second=Path(second),
        data=_as_request(data),
        renames=dict(renames or {}),
        images=images,
        output=place,
        overwrite=overwrite,
    )
    return story.compare(request, events=LoggedEvents())


def missing_for_training(error: ModuleNotFoundError) -> MissingPackageError:
    """What to say where torch or another package for training is not installed."""
    return MissingPackageError(
        f"training needs {error.name}, which is not installed", 'Install it: pip install "vidi[train]"'
    )


def _as_request(data: "str | os.PathLike[str] | DataRequest") -> "DataRequest":
    from vidi.workflows.interaction.request import DataRequest

    return data if isinstance(data, DataRequest) else DataRequest(source=os.fspath(data))
