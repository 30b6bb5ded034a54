"""The functions of `vidi` for Python: the command line's verbs, with the options that matter as arguments.

Every option of a verb stands in its request (`DataRequest`, `TrainRequest`, `EvaluateRequest`); what is rarely needed
is said there, and `vidi.workflows.train.train(request)` and its like take the request itself.
What goes on while they work is told to Python's log: `logging.basicConfig(level="INFO")` shows it.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.errors import MissingPackageError
from vidi.machine import wait_without_spinning
from vidi.workflows.logged import LoggedEvents

if TYPE_CHECKING:
    from vidi.data.checked import CheckResult, Finding
    from vidi.data.dataset import Dataset
    from vidi.figures.drawing import Drawing
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.evaluate import Evaluated
    from vidi.workflows.request import DataRequest
    from vidi.workflows.train import Run


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Checked:
    """What `vidi.check` found out about a data set."""

    dataset: "Dataset"
    result: "CheckResult"

    @property
    def findings(self) -> "tuple[Finding, ...]":
        """What its owner should know, the gravest first."""
        return self.result.findings

    @property
    def class_sizes(self) -> dict[str, int]:
        """Class → usable images."""
        records = zip(self.dataset.images, self.result.records, strict=True)
        counts = Counter(label for image, record in records if record.refusal is None for label in image.labels)
        return {name: counts[index] for index, name in enumerate(self.dataset.classes)}

    def __repr__(self) -> str:
        """What a terminal shows: the account and the findings, one a line."""
        findings = [f"{finding.severity}: {finding.sentence}" for finding in self.findings]
        return "\n".join([f"{self.dataset.name}: {self.result.account.sentence()}", *findings])

    def plot(self) -> "Drawing":
        """How many images there are of each class; a notebook shows the figure, its `save` writes it."""
        from vidi.report.notebook import draw_sizes

        return draw_sizes(self.class_sizes)

    def _repr_html_(self) -> str:
        from vidi.report.notebook import check_as_html

        return check_as_html(self.dataset.name, self.result)


def train(
    data: "str | os.PathLike[str] | DataRequest",
    output: "str | os.PathLike[str] | None" = None,
    *,
    network: str = "compact",
    minutes: float | None = None,
    recipe: Mapping[str, object] | None = None,
    overwrite: bool = False,
    images: bool = True,
) -> "Run":
    """Check, split, train, calibrate and test: from labelled images to a run folder with `model.onnx` and its report.

    Args:
        data: a folder, archive, table, annotation file or known set; a `vidi.DataRequest` says more about it.
        output: the run folder; `runs/NAME` when left out.
        network: `compact`, `textbook` or `dense`.
        minutes: time for everything, from reading to the report.
        recipe: values of the recipe to set: a field of `vidi.training.recipe.Recipe`, `options.NAME` or
            `augmentation.NAME`, such as `{"epochs": 5, "augmentation.flip": "none"}`.
        overwrite: replace an earlier run in `output`.
        images: False leaves every picture out of what is written, and nothing in the cache.

    Raises:
        VidiError: UsageError, DataError, ModelError, ResourceError or GateError, as their names say.
    """
    wait_without_spinning()  # before torch is imported
    try:
        from vidi.workflows import train as story
    except ModuleNotFoundError as error:
        raise missing_for_training(error) from error
    request = story.TrainRequest(
        data=_as_request(data),
        network=network,
        changes=dict(recipe or {}),
        minutes=minutes,
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


def check(data: "str | os.PathLike[str] | DataRequest", *, workers: int | None = None) -> Checked:
    """Decode every image once, and say what its owner should know before anything is trained on it.

    Args:
        data: as for `train`.
        workers: decoding processes; one for each core when left out.

    Raises:
        UsageError: the source or a class is not there.
        DataError: it holds no image with a class.
    """
    from vidi.data.check import check_dataset
    from vidi.workflows.request import decode_options, read_source

    request = _as_request(data)
    dataset = read_source(request)
    result = check_dataset(
        dataset, options=decode_options(request), workers=workers, on_progress=LoggedEvents().reading
    )
    return Checked(dataset=dataset, result=result)


def evaluate(
    model: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest",
    *,
    output: "str | os.PathLike[str] | None" = None,
    renames: Mapping[str, str] | None = None,
    overwrite: bool = False,
    images: bool = True,
) -> "Evaluated":
    """Score a model file on labelled images; classes are matched by name, and what it learnt from is set aside.

    Args:
        model: model file or run folder.
        data: as for `train`.
        output: the folder for metrics.json, predictions.csv and report.html; `evaluations/NAME` when left out.
        renames: a class of the data → the model's name for it.
        overwrite: replace an earlier evaluation in `output`.
        images: False leaves every picture out of what is written.

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
        output=None if output is None else Path(output),
        overwrite=overwrite,
    )
    return story.evaluate(request, events=LoggedEvents())


def missing_for_training(error: ModuleNotFoundError) -> MissingPackageError:
    """What to say where torch or another package for training is not installed."""
    return MissingPackageError(
        f"training needs {error.name}, which is not installed", 'Install it: pip install "vidi[train]"'
    )


def _as_request(data: "str | os.PathLike[str] | DataRequest") -> "DataRequest":
    from vidi.workflows.request import DataRequest

    return data if isinstance(data, DataRequest) else DataRequest(source=os.fspath(data))
