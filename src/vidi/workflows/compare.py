"""`vidi compare`: two model files on the same images, compared overall, by class and image by image."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidi.data.dataset import Dataset
from vidi.evaluation.answers import TEST, Answers
from vidi.evaluation.comparison import PairedAnswers, compare_answers
from vidi.evaluation.disagreements import KINDS, NONE, choose_shown, find_disagreements, write_disagreements
from vidi.evaluation.scores import number_groups
from vidi.evaluation.uses import digest_of_images, record_use
from vidi.files import escape_path, write_whole
from vidi.images.account import Account
from vidi.model_file.schema import MULTI_LABEL
from vidi.prediction.predictor import Predictor
from vidi.report.pages.compare import MOST_OF_A_KIND, write_compare_page
from vidi.report.words.compare import headline
from vidi.workflows.comparing.compared import PAGE, TABLE, Compared
from vidi.workflows.comparing.models import (
    ComparedModel,
    are_several,
    choose_images,
    match_models,
    remark_on,
    shared_classes,
)
from vidi.workflows.evaluating.answers import answer_images
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
from vidi.workflows.requests.evaluate import EvaluateRequest

if TYPE_CHECKING:
    pass


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
    first, second = _answer_both(models, dataset, request, scored=scored, account=account, events=events)
    if several:
        first, second = _about_shared(models, dataset, (first, second))
        paired, truths = _paired_classes(first, second), [truth or NONE for truth in first.truths]
    else:
        labels = _labels(dataset, first.paths)
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


def _answer_both(
    models: Sequence[ComparedModel],
    dataset: Dataset,
    request: CompareRequest,
    *,
    scored: Mapping[int, str],
    account: Account,
    events: Events,
) -> tuple[Answers, Answers]:
    """Answers of both models about images that neither was trained on; completes the account."""

    def learnt(digest: str) -> bool:
        return any(model.learnt.holds(digest) for model in models)

    rows = {dataset.images[row].path: row for row in scored}
    given: list[Answers] = []
    for model in models:
        own = Account()
        asked = EvaluateRequest(model=model.path, data=request.data)
        answers = answer_images(
            model.predictor, dataset, asked, scored=scored, match=model.match, learnt=learnt, account=own, events=events
        )
        account.refused += own.refused
        account.set_aside += own.set_aside
        scored = {rows[path]: TEST for path in answers.paths}  # the second is asked what the first has answered
        given.append(answers)
    first, second = given
    account.used = len(second.paths)
    kept = frozenset(second.paths)
    return first.only(np.array([path in kept for path in first.paths])), second


def _labels(dataset: Dataset, paths: Sequence[str]) -> NDArray[np.int64]:
    """(images,) the class of each, an index into the data's classes."""
    labels = {image.path: image.label for image in dataset.images}
    return np.array([labels[path] for path in paths], np.int64)


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
