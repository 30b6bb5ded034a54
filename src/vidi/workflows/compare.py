"""`vidi compare`: two model files on the same images, compared overall, by class and image by image."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.data.dataset import Dataset
from vidi.errors import DataError, UsageError
from vidi.evaluation.answers import TEST, Answers, Reason, Want, answer_alike
from vidi.evaluation.comparison import PairedAnswers, compare_answers
from vidi.evaluation.disagreements import KINDS, NONE, choose_shown, find_disagreements, write_disagreements
from vidi.evaluation.match import ClassMatch, match_classes
from vidi.evaluation.scores import number_groups
from vidi.evaluation.uses import digest_of_images, record_use
from vidi.files import escape_path, write_whole
from vidi.images.account import Account, Entry
from vidi.model_file.schema import MULTI_LABEL
from vidi.prediction.predictor import Predictor
from vidi.report.pages.compare import MOST_OF_A_KIND, write_compare_page
from vidi.report.words.compare import headline, tell_apart
from vidi.report.words.progress.asking import SAME_MODEL, known_to_one, skipped_classes, training_unknown
from vidi.workflows.comparing.stored import NOT_SHARED, PAGE, TABLE, Compared
from vidi.workflows.evaluating.learnt import LearntFrom, account_for, find_learnt, parts_to_score
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options, read_source
from vidi.workflows.interaction.run_folder import (
    COMPARISON,
    SPLITS,
    open_run_folder,
    require_free,
    safe_name,
)
from vidi.workflows.requests.compare import CompareRequest


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


def compare(
    request: CompareRequest,
    *,
    events: Events = SILENCE,
    dataset: Dataset | None = None,
    kept_as: Path | None = None,
) -> Compared:
    """Score two model files on the same images, and test whether the second is better.

    Only images of classes that both know are looked at, and none that either was trained on (by the splits.csv of its
    run folder, or by the model file).

    Args:
        request: what the user asked for.
        events: receives progress and messages.
        dataset: the images, where they were read already.
        kept_as: where the second file will lie, if not where it is now.

    Raises:
        ModelError: no model file, or not one to trust.
        DataError: no class that both know, or no image left to score; says why.
        UsageError: a rename, a class or the output folder is wrong.
        ResourceError: the results cannot be written.
    """
    if request.output is not None:
        require_free(request.output, kind="comparison", overwrite=request.overwrite)
    predictors = [Predictor.load(path) for path in (request.first, request.second)]
    several = are_several(predictors, request)
    dataset = dataset or read_source(replace(request.data, multi_label=True) if several else request.data)
    models = match_models(predictors, dataset, request)
    account = dataset.account.of_scan()
    scored = choose_images(dataset, models, request, account)
    for sentence in remark_on(models, dataset, account):
        events.say(sentence)
    first, second = answer_alike(predictors, dataset, scored, _wanted(models, request, events=events))
    account = account_for(dataset, [first, second], account)
    if several:
        first, second = _about_shared(models, dataset, (first, second))
        paired, truths = _paired_classes(first, second), [truth or NONE for truth in first.truths]
    else:
        labels = np.array([dataset.images[row].label for row in first.rows], np.int64)
        paired = _paired(first, second, labels, dataset.classes)
        truths = [dataset.classes[label] for label in labels]
    comparison = compare_answers(paired)
    folder = _open_folder(request, dataset)
    disagreements = find_disagreements(first, second, truths)
    document: dict[str, Any] = {
        "schema": 1,
        "task": MULTI_LABEL if several else "classify",
        "models": _about(models, first.digests, folder, kept_as=kept_as),
        "data": {"name": dataset.name, "source": escape_path(dataset.source), "reader": dataset.reader},
        **comparison.as_json(),
        "disagreements": {
            "counts": {kind: sum(one.kind == kind for one in disagreements) for kind in KINDS},
            "shown": [one.as_json() for one in choose_shown(disagreements, most=MOST_OF_A_KIND)],
        },
        "account": account.as_json(),
        "request": {"data": asdict(request.data), "images": request.images},
    }
    document["sentence"] = headline(document)
    write_disagreements(folder / TABLE, disagreements)
    write_whole(folder / COMPARISON, json.dumps(document, allow_nan=False, indent=1) + "\n")
    store = dataset.store if request.images else None
    write_compare_page(folder / PAGE, document, store=store, options=decode_options(request.data))
    return Compared(folder=folder, comparison=comparison, sentence=str(document["sentence"]), account=account)


def _wanted(models: Sequence[ComparedModel], request: CompareRequest, *, events: Events) -> list[Want]:
    """What each is asked, about images that neither was trained on."""

    def leave_out(row: int, digest: str) -> Reason | None:
        return next((reason for model in models if (reason := model.learnt.leaves_out(row, digest))), None)

    options = decode_options(request.data)
    return [
        Want(options=options, match=model.match, leave_out=leave_out, on_progress=events.reading) for model in models
    ]


def _paired(first: Answers, second: Answers, labels: NDArray[np.int64], classes: tuple[str, ...]) -> PairedAnswers:
    rows = np.arange(len(labels))
    return PairedAnswers(
        classes=classes,
        labels=labels,
        first_is_right=first.predicted == first.labels,
        second_is_right=second.predicted == second.labels,
        first_of_truth=first.probabilities[rows, first.labels],
        second_of_truth=second.probabilities[rows, second.labels],
        groups=number_groups(first.groups, len(labels)),
    )


def _about_shared(
    models: Sequence[ComparedModel], dataset: Dataset, both: tuple[Answers, Answers]
) -> tuple[Answers, Answers]:
    """What both say of the classes that both know, called as the data calls them."""
    shared = shared_classes(dataset, models)
    names = [dataset.classes[row] for row in shared]
    first, second = (
        answers.about([answers.classes.index(model.match.names[row]) for row in shared], names)
        for model, answers in zip(models, both, strict=True)
    )
    return first, second


def _paired_classes(first: Answers, second: Answers) -> PairedAnswers:
    """The same where images may show several classes, of answers about the same ones."""
    truth = first.truth
    return PairedAnswers(
        classes=first.classes,
        labels=np.zeros(len(first.paths), np.int64),
        first_is_right=first.is_right,
        second_is_right=second.is_right,
        first_of_truth=np.exp(-truth.log_losses(first.probabilities)),
        second_of_truth=np.exp(-truth.log_losses(second.probabilities)),
        groups=number_groups(first.groups, len(first.paths)),
        of_classes=(first.called == truth.shown, second.called == truth.shown),
    )


def _open_folder(request: CompareRequest, dataset: Dataset) -> Path:
    """The folder asked for, or the next free `comparisons/NAME`."""
    source = Path(request.data.source)
    return open_run_folder(
        request.output,
        name=safe_name(dataset.name),
        source=source if source.is_dir() else None,
        kind="comparison",
        overwrite=request.overwrite,
    )


def _about(
    models: Sequence[ComparedModel], digests: Sequence[str], folder: Path, *, kept_as: Path | None
) -> dict[str, dict[str, object]]:
    """Both models by letter; that these images were used to score them is noted."""
    images, now = digest_of_images(digests), datetime.now(UTC)
    first, second = models
    places = {first.letter: first.path, second.letter: kept_as or second.path}
    return {
        model.letter: {
            "path": escape_path(places[model.letter]),
            "id": model.predictor.model.model_id,
            "run": model.predictor.metadata.run,
            "classes": len(model.predictor.classes),
            "knows_what_it_learnt": model.knows_what_it_learnt,
            "test_uses": record_use(
                model.run if (model.run / SPLITS).exists() else folder,
                images=images,
                model_id=model.predictor.model.model_id,
                date=now,
            ),
        }
        for model in models
    }
