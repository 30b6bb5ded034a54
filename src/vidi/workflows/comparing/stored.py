"""Two stored evaluations of the same images, compared without running a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidi.errors import DataError, UsageError
from vidi.evaluation.answers import TEST, Answers
from vidi.evaluation.comparison import PairedAnswers
from vidi.evaluation.match import listed
from vidi.evaluation.run_files import METRICS, PREDICTIONS, AnsweredImage, RunFiles, read_run
from vidi.evaluation.scores import number_groups_or_images
from vidi.evaluation.sections import DataFacts, ModelName
from vidi.files import escape_path, read_json, unescape_path
from vidi.images.account import Account, Entry
from vidi.metrics.arrays import SMALLEST_PROBABILITY
from vidi.metrics.outputs import SOFTMAX
from vidi.numbers import count_of
from vidi.report.pages.compare import distinct_names
from vidi.workflows.comparing.written import BothAnswered, CompareResult, write_comparison
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import open_store
from vidi.workflows.interaction.run_folder import (
    EVALUATION,
    REQUEST,
    SPLITS,
    open_run_folder,
    require_free,
    understood,
)
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import StoredRequest

SAME_MODEL_STORED = "both are answers of the same model file"
NOT_SHARED = ("class-not-shared", "At least one of the models does not know its class.")


@dataclass(frozen=True, slots=True)
class _Stored:
    """One of the two evaluations."""

    files: RunFiles
    rows: tuple[AnsweredImage, ...]  # in an order that both share
    asked: dict[str, Any]  # what the evaluation or the run was asked for

    @property
    def classes(self) -> tuple[str, ...]:
        return self.files.metrics.classes

    @property
    def data(self) -> DataFacts:
        """The images that it is about."""
        return self.files.metrics.origin.data or DataFacts(source="")

    @property
    def model(self) -> ModelName:
        """The model that answered."""
        return self.files.metrics.origin.model or ModelName(id="", run="")

    @property
    def run(self) -> Path | None:
        """The run folder of its model, if it still knows the training images."""
        model = Path(unescape_path(str(self.asked["model"]))) if "model" in self.asked else self.files.folder
        folder = model.parent if model.is_file() else model
        return folder if (folder / SPLITS).exists() else None


def compare_stored(request: StoredRequest, *, events: Events = SILENCE) -> CompareResult:
    """Compare two evaluations of the same images; classes that only one model knows are set aside.

    Raises:
        UsageError: a folder holds no evaluation, or the output folder is wrong.
        DataError: they are not about the same images, or call their classes by different names; a file is damaged.
        ResourceError: the results cannot be written.
    """
    if request.output is not None:
        require_free(request.output, kind="comparison", overwrite=request.overwrite)
    a, b = _read(request.first), _read(request.second)
    _require_same_images(a, b)
    pairs = [
        (one, other)
        for one, other in zip(a.rows, b.rows, strict=True)
        if one.truth_probability is not None and other.truth_probability is not None
    ]
    if not pairs:
        raise DataError(
            "the two evaluations have no class in common",
            "Evaluate both again, with `--names` for classes whose names differ.",
        )
    both = replace(a, rows=tuple(one for one, _ in pairs)), replace(b, rows=tuple(other for _, other in pairs))
    used = {row.path for row in both[0].rows}
    account = Account(used=len(pairs))
    account.set_aside = [Entry(row.path, *NOT_SHARED) for row in a.rows if row.path not in used]
    for sentence in _remarks(both, account):
        events.say(sentence)
    folder = open_run_folder(
        request.output, name=_data_name(a), source=None, kind="comparison", overwrite=request.overwrite
    )
    first, second = map(_as_answers, both)
    asked = DataRequest.from_dict(a.asked["data"])
    images = request.images and all(one.asked.get("images", True) for one in both)
    answered = BothAnswered(
        first=first,
        second=second,
        paired=_paired(*both),
        truths=first.truths,
        models=[_about(one) for one in both],
        data={"name": _data_name(a), "source": a.data.source, "reader": a.data.reader or ""},
        asked=asked,
        account=account,
    )
    return write_comparison(folder, answered, images=images, store=open_store(asked, events) if images else None)


def _data_name(one: _Stored) -> str:
    return one.data.name or one.files.folder.resolve().name


def _read(folder: Path) -> _Stored:
    """The answers about the test images of a folder, in an order that depends on the images alone."""
    if not (folder / PREDICTIONS).is_file() or not (folder / METRICS).is_file():
        raise UsageError(
            f"{escape_path(folder)} holds no predictions to compare, and DATA is missing",
            "Add labelled images: `vidi compare A B DATA`. Or name two folders that `vidi evaluate` wrote.",
        )
    files = read_run(folder)
    if files.metrics.task != SOFTMAX.task:
        raise UsageError(
            f"{escape_path(folder)} holds predictions of a multi-label model",
            "Name the data: vidi compare A B DATA",
        )
    asked: dict[str, Any] = {
        "data": {"source": "" if files.metrics.origin.data is None else files.metrics.origin.data.source}
    }
    for name in (REQUEST, EVALUATION):
        if (folder / name).exists():
            with understood(folder / name):
                asked = dict(read_json(folder / name))
                DataRequest.from_dict(asked["data"])
    known = files.metrics.classes
    if strange := next((row.predicted for row in files.answers if row.predicted not in known), None):
        raise DataError(
            f"{escape_path(folder)}: {PREDICTIONS} names the class {escape_path(strange)}, which {METRICS} does not",
            "One of them was changed: evaluate again with `vidi evaluate`.",
        )
    is_test = any(row.part == TEST for row in files.answers)
    rows = [row for row in files.answers if row.part == TEST or not is_test]
    return _Stored(files, tuple(sorted(rows, key=lambda row: (_key(row), row.path))), asked)


def _key(row: AnsweredImage) -> str:
    """What tells an image from others: its bytes, where they are known."""
    return row.digest or row.path


def _require_same_images(a: _Stored, b: _Stored) -> None:
    """Refuse what is no comparison.

    Raises:
        DataError: they are about other images, or one image has another class in each.
    """
    first, second = distinct_names(escape_path(a.files.folder), escape_path(b.files.folder))
    if [_key(row) for row in a.rows] != [_key(row) for row in b.rows]:
        shared = len({_key(row) for row in a.rows} & {_key(row) for row in b.rows})
        raise DataError(
            f"{first} was evaluated on {len(a.rows):,} images and {second} on {len(b.rows):,}, but only {shared:,} are "
            "the same",
            "Compare both on the same images: `vidi compare MODEL_A MODEL_B DATA`.",
        )
    for one, other in zip(a.rows, b.rows, strict=True):
        if one.truth != other.truth:
            raise DataError(
                f"{escape_path(one.path)} is of class {one.truth!r} in {first} and {other.truth!r} in {second}",
                "Evaluate both with the same labels, and with `--names` for classes whose names differ.",
            )


def _remarks(both: Sequence[_Stored], account: Account) -> list[str]:
    """Remark on the two models what readers need before the figures."""
    remarks = []
    if len({one.model.id for one in both}) == 1:
        remarks.append(SAME_MODEL_STORED)
    if account.set_aside:
        remarks.append(skipped_images(len(account.set_aside)))
    return remarks


def _as_answers(one: _Stored) -> Answers:
    """What was said; of the probabilities only that of the answer is needed."""
    probabilities = np.zeros((len(one.rows), len(one.classes)), np.float32)
    for number, row in enumerate(one.rows):
        probabilities[number, one.classes.index(row.predicted)] = max(row.probability, SMALLEST_PROBABILITY)
    return Answers.of(
        one.classes,
        [row.path for row in one.rows],
        truths=[row.truth for row in one.rows],
        probabilities=probabilities,
        digests=[row.digest for row in one.rows],
        groups=[row.group for row in one.rows],
    )


def _paired(a: _Stored, b: _Stored) -> PairedAnswers:
    classes = tuple(name for name in a.classes if name in b.classes)
    of_truth = [np.array([row.truth_probability for row in one.rows], np.float64) for one in (a, b)]
    return PairedAnswers(
        classes=classes,
        shown=np.array([row.truth for row in a.rows])[:, None] == np.array(classes),
        first_is_right=np.array([row.is_right for row in a.rows]),
        second_is_right=np.array([row.is_right for row in b.rows]),
        groups=number_groups_or_images([row.group for row in a.rows], len(a.rows)),
        of_truth=(of_truth[0], of_truth[1]),
    )


def _about(one: _Stored) -> dict[str, object]:
    """A model as compare.json names it; no image was used once more."""
    return {
        "path": escape_path(one.files.folder),
        "id": one.model.id,
        "run": one.model.run,
        "classes": len(one.classes),
        "knows_what_it_learned": one.run is not None,
        "test_uses": one.files.metrics.test_uses or 1,
    }


def skipped_classes(counts: Mapping[str, int]) -> str:
    """How many images of which classes are skipped because only one model, or none, knows them.

    >>> skipped_classes({"moss": 8})
    '8 images skipped: at least one model does not know their class (moss 8)'
    """
    shown = listed([f"{name} {count:,}" for name, count in counts.items()])
    return f"{skipped_images(sum(counts.values()))} ({shown})"


def skipped_images(count: int) -> str:
    """The same where only their number is known."""
    its = "its" if count == 1 else "their"
    return f"{count_of(count, 'image')} skipped: at least one model does not know {its} class"
