"""`vidi compare`: two model files on the same images, compared overall, by class and image by image."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidi.data.dataset import Dataset
from vidi.errors import DataError, UsageError
from vidi.evaluation.answers import TEST, Reason, Want, answer_alike
from vidi.evaluation.match import ClassMatch, listed, match_classes
from vidi.files import escape_path
from vidi.images.account import Account, Entry
from vidi.numbers import count_of
from vidi.prediction.predictor import Predictor
from vidi.report.pages.compare import distinct_names
from vidi.workflows.comparing import NOT_SHARED, CompareResult, both_answered, name_compared, write_comparison
from vidi.workflows.evaluating.learned import LearnedFrom, account_for, find_learned, parts_to_score
from vidi.workflows.evaluating.written import count_use
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options, read_source
from vidi.workflows.interaction.run_folder import open_run_folder, require_free
from vidi.workflows.requests.model_file import CompareRequest

SAME_MODEL = "both are the same model file"


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One of the two models."""

    path: Path
    predictor: Predictor
    match: ClassMatch
    learned: LearnedFrom

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
    for path, predictor in zip((request.first, request.second), predictors, strict=True):
        match = match_classes(predictor.classes, dataset.classes, names=request.data.names)
        models.append(ComparedModel(path, predictor, match, find_learned(predictor)))
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
    names = distinct_names(escape_path(a.path), escape_path(b.path))
    for name, model, other in zip(names, (a, b), (b, a), strict=True):
        in_data = {model.match.names[row] for row in shared}
        alone = [one for one in model.predictor.classes if one not in in_data and one not in other.predictor.classes]
        if alone:
            remarks.append(known_to_one(name, alone, several=dataset.multi_label))
    labels = {image.path: sorted(image.labels)[0] for image in dataset.images if image.labels}
    left = Counter(dataset.classes[labels[one.path]] for one in account.set_aside if one.code == NOT_SHARED[0])
    if left:
        shown = listed([f"{name} {count:,}" for name, count in left.items()])
        remarks.append(f"{skipped_images(left.total())} ({shown})")
    return remarks + [
        f"{name} is not in its run folder: vidi cannot tell which images it was trained on"
        for name, model in zip(names, models, strict=True)
        if not model.learned.is_stated
    ]


def compare(request: CompareRequest, *, events: Events = SILENCE) -> CompareResult:
    """Score two model files on the same images, and test whether the second is better.

    Only images of classes that both know are looked at, and none that either was trained on (by the splits.csv of its
    run folder, or by the model file).

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
    dataset = read_source(replace(request.data, multi_label=True) if several else request.data)
    models = match_models(predictors, dataset, request)
    account = dataset.account.of_scan()
    scored = choose_images(dataset, models, request, account)
    for sentence in remark_on(models, dataset, account):
        events.say(sentence)
    given = answer_alike(predictors, dataset, scored, _wanted(models, request, events=events))
    account = account_for(dataset, given, account)
    folder = open_run_folder(
        request.output,
        name=dataset.name,
        source=Path(request.data.source),
        kind="comparison",
        overwrite=request.overwrite,
    )
    both = both_answered(
        dataset,
        given,
        [model.match for model in models],
        models=[
            name_compared(
                model.path,
                model.predictor.model,
                uses=count_use(model.predictor.model.path.parent, folder, model.predictor.model, given[0]),
                knows=model.learned.is_stated,
            )
            for model in models
        ],
        asked=request.data,
        account=account,
    )
    return write_comparison(folder, both, images=request.images, store=dataset.store if request.images else None)


def _wanted(models: Sequence[ComparedModel], request: CompareRequest, *, events: Events) -> list[Want]:
    """What each is asked, about images that neither was trained on."""

    def leave_out(row: int, digest: str) -> Reason | None:
        return next((reason for model in models if (reason := model.learned.leaves_out(row, digest))), None)

    options = decode_options(request.data)
    return [
        Want(options=options, match=model.match, leave_out=leave_out, on_progress=events.reading) for model in models
    ]


def skipped_images(count: int) -> str:
    """How many images are skipped because only one model, or none, knows their class."""
    its = "its" if count == 1 else "their"
    return f"{count_of(count, 'image')} skipped: at least one model does not know {its} class"


def known_to_one(model: str, names: Sequence[str], *, several: bool) -> str:
    """Which classes only one of two compared models knows.

    Args:
        several: images may show several classes.
    """
    follows = "its answers about them are ignored" if several else "predicting one of them counts as wrong here"
    if len(names) == 1:
        follows = "its answers about it are ignored" if several else "predicting it counts as wrong here"
    return f"only {model} knows {listed(names)}: {follows}"
