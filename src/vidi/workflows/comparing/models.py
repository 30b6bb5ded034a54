"""The two models of a comparison, their classes matched to the data's, and the images for both."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.data.dataset import Dataset
from vidi.errors import DataError, UsageError
from vidi.evaluation.answers import TEST
from vidi.evaluation.match import ClassMatch, match_classes
from vidi.files import escape_path
from vidi.images.account import Account, Entry
from vidi.prediction.predictor import Predictor
from vidi.report.words.compare import tell_apart
from vidi.report.words.progress.asking import SAME_MODEL, known_to_one, skipped_classes, training_unknown
from vidi.workflows.comparing.compared import NOT_SHARED
from vidi.workflows.evaluating.answers import parts_to_score
from vidi.workflows.evaluating.learnt import LearntFrom, find_learnt
from vidi.workflows.requests.compare import CompareRequest

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One of the two models."""

    letter: str
    path: Path
    predictor: Predictor
    match: ClassMatch
    learnt: LearntFrom

    @property
    def run(self) -> Path:
        return self.predictor.model.path.parent

    @property
    def knows_what_it_learnt(self) -> bool:
        return self.learnt.is_stated

    def knows(self, row: int) -> bool:
        """Whether a class of the data is one of its own."""
        return self.match.names[row] in self.predictor.classes


def are_several(predictors: Sequence[Predictor], request: CompareRequest) -> bool:
    """Whether both models predict several classes per image.

    Raises:
        UsageError: one does, and the other names one class each.
    """
    several = [predictor.metadata.multi_label for predictor in predictors]
    if several[0] != several[1]:
        one, other = (request.first, request.second) if several[0] else (request.second, request.first)
        raise UsageError(
            f"{escape_path(one)} is multi-label and {escape_path(other)} is not: they cannot be compared",
            "Evaluate each by itself: `vidi evaluate MODEL DATA`.",
        )
    return several[0]


def match_models(predictors: Sequence[Predictor], dataset: Dataset, request: CompareRequest) -> list[ComparedModel]:
    """Match the classes of both models to the data's; a model that lacks a new name of `--names` may have the old one.

    Raises:
        DataError: no class of the data is known to both.
    """
    models = []
    for letter, path, predictor in zip("AB", (request.first, request.second), predictors, strict=True):
        match = match_classes(predictor.classes, dataset.classes, names=request.data.names)
        models.append(ComparedModel(letter, path, predictor, match, find_learnt(predictor)))
    if not any(all(model.knows(row) for model in models) for row in range(len(dataset.classes))):
        raise DataError(
            f"{escape_path(dataset.source)}: the two models have no class of the data in common",
            "If a class has different names in data and model, rename it: --names NAME_IN_DATA=NAME_IN_MODEL",
        )
    return models


def shared_classes(dataset: Dataset, models: Sequence[ComparedModel]) -> list[int]:
    """Return the classes of the data that both models know."""
    return [row for row in range(len(dataset.classes)) if all(model.knows(row) for model in models)]


def choose_images(
    dataset: Dataset, models: Sequence[ComparedModel], request: CompareRequest, account: Account
) -> dict[int, str]:
    """Choose the images for both models, all as one part; images of other classes are set aside."""
    parts, shared = parts_to_score(dataset, request.data.parts), shared_classes(dataset, models)
    if dataset.multi_label:  # an image without any of the classes tells something, too
        return dict.fromkeys((row for row, part in parts.items() if part == TEST or TEST not in parts.values()), TEST)
    labels = dataset.labels()
    is_test = TEST in parts.values()
    rows = [row for row, part in parts.items() if part == TEST or not is_test]
    account.set_aside += [Entry(dataset.images[row].path, *NOT_SHARED) for row in rows if labels[row] not in shared]
    return {row: TEST for row in rows if labels[row] in shared}


def remark_on(models: Sequence[ComparedModel], dataset: Dataset, account: Account) -> list[str]:
    """Remark on the two models what readers need before the figures."""
    remarks, (a, b), shared = [], models, shared_classes(dataset, models)
    if a.predictor.model.model_id == b.predictor.model.model_id:
        remarks.append(SAME_MODEL)
    names = tell_apart(escape_path(a.path), escape_path(b.path))
    for name, model, other in zip(names, (a, b), (b, a), strict=True):
        in_data = {model.match.names[row] for row in shared}
        alone = [one for one in model.predictor.classes if one not in in_data and one not in other.predictor.classes]
        if alone:
            remarks.append(known_to_one(name, alone, several=dataset.multi_label))
    labels = {image.path: sorted(image.labels)[0] for image in dataset.images if image.labels}
    left = Counter(dataset.classes[labels[one.path]] for one in account.set_aside if one.code == NOT_SHARED[0])
    if left:
        remarks.append(skipped_classes(left))
    return remarks + [
        training_unknown(name) for name, model in zip(names, models, strict=True) if not model.knows_what_it_learnt
    ]
