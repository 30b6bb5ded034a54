"""A model file scored on any data set: classes matched by name, training images left out, one folder of results."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.data.dataset import Dataset
from vidi.evaluation.answers import Answers, Want, answer, write_predictions
from vidi.evaluation.document import Metrics, evaluate_parts, scored_metrics, write_metrics
from vidi.evaluation.evaluation import Evaluation
from vidi.evaluation.guarantees.refuted import refuted_on
from vidi.evaluation.match import ClassMatch, match_classes
from vidi.evaluation.sections import AccountFacts, DataFacts, ModelName
from vidi.evaluation.uses import digest_of_images, record_use
from vidi.files import escape_path, write_whole
from vidi.images.account import Account
from vidi.prediction.predictor import Predictor
from vidi.report.pages.run import write_report
from vidi.report.words.accuracy import accuracy_line
from vidi.report.words.classes import describe_match
from vidi.workflows.evaluating.folder import as_plain, open_folder
from vidi.workflows.evaluating.learnt import account_for, find_learnt, parts_to_score
from vidi.workflows.evaluating.trust import MeasuredTrust, measure_trust
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.inputs import named_first
from vidi.workflows.interaction.request import decode_options, read_for_model
from vidi.workflows.interaction.run_folder import (
    EVALUATION,
    METRICS,
    PREDICTIONS,
    SPLITS,
    require_free,
)
from vidi.workflows.requests.evaluate import EvaluateRequest

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Result of an evaluation."""

    folder: Path  # holds metrics.json, predictions.csv and report.html
    figures: Mapping[str, Evaluation] = field(repr=False)  # by part: `test`, and `extra` if the data has it
    match: ClassMatch  # the data's classes in terms of the model's
    account: Account = field(repr=False)  # which files were used, set aside, refused or ignored
    test_uses: int  # number of evaluations of this run's models on these images, including this one

    def __repr__(self) -> str:
        """The folder, and the accuracy with its interval and n; of a further part too."""
        parts = [f"{accuracy_line(one)}{' on ' + name if name != 'test' else ''}" for name, one in self.figures.items()]
        return f"<Evaluated {escape_path(self.folder)}: {'; '.join(parts)}>"

    def plot(self) -> "Drawing":
        """Draw reliability, ROC and precision-recall; a notebook shows them, and their `save` writes them."""
        from vidi.report.pages.notebook import draw_folder

        return draw_folder(self.folder)

    def _repr_html_(self) -> str:
        from vidi.report.pages.notebook import folder_as_html

        return folder_as_html(self.folder)


def evaluate(
    request: EvaluateRequest,
    *,
    events: Events = SILENCE,
    dataset: Dataset | None = None,
    kept_as: Path | None = None,
) -> Evaluated:
    """Score a model file on a data set.

    Images of classes that the model lacks are left out of accuracy and counted; images that the model was trained on
    (by the splits.csv of its run folder, or by the model file) are set aside.

    Args:
        request: what the user asked for.
        events: receives progress and messages.
        dataset: the images, where they were read already.
        kept_as: where the file will lie, if not where it is now.

    Raises:
        ModelError: no model file, or not one to trust.
        DataError: no class in common, or no image left to score; says why.
        UsageError: a class or the output folder is wrong.
        ResourceError: the results cannot be written.
    """
    if request.output is not None:
        require_free(request.output, kind="evaluation", overwrite=request.overwrite)
    predictor = _load(request, events)
    dataset = dataset or read_for_model(request.data, predictor.metadata)
    match = match_classes(predictor.classes, dataset.classes)
    learnt = find_learnt(predictor)
    want = Want(
        options=decode_options(request.data),
        match=match,
        traits=True,
        leave_out=learnt.leaves_out,
        on_progress=events.reading,
    )
    answers = answer(predictor, dataset, parts_to_score(dataset, request.data.parts), want)
    account = account_for(dataset, [answers], dataset.account)
    figures = evaluate_parts(answers)
    for sentence in describe_match(match, Counter(answers.truths) if answers.several is None else Counter()):
        events.say(sentence)
    folder = open_folder(request, dataset)
    asked = replace(request, model=kept_as or request.model, engine=predictor.engine.name)
    write_whole(folder / EVALUATION, json.dumps(as_plain(asked), indent=1) + "\n")
    uses = _count_use(folder, predictor, answers)
    trust = _measure_trust(request, predictor, answers, dataset, events=events)
    scored_alone = scored_metrics(answers, figures, predictor.metadata)
    learnt_from = learnt.facts(answers.digests, account)
    metrics = replace(
        _with_names(scored_alone, predictor, dataset, match),
        account=AccountFacts.of(account),
        learnt_from=learnt_from,
        doubted_test_labels=scored_alone.doubted_test_labels if learnt_from.unseen else (),
        refuted=tuple(one.as_refuted() for one in refuted_on(answers, predictor.metadata)),
        test_uses=uses,
        slices=trust.slices,
        robustness=trust.robustness,
    )
    write_predictions(folder / PREDICTIONS, answers, predictor.metadata)
    write_metrics(folder / METRICS, metrics)
    write_report(
        folder,
        model=predictor.model,
        store=dataset.store,
        options=decode_options(request.data),
        with_images=request.images,
    )
    return Evaluated(folder=folder, figures=figures, match=match, account=account, test_uses=uses)


def _load(request: EvaluateRequest, events: Events) -> Predictor:
    model = named_first(request.model, [request.data.source], verb="evaluate")
    return Predictor.load(model, engine=request.engine, say=events.say)


def _measure_trust(
    request: EvaluateRequest, predictor: Predictor, answers: Answers, dataset: Dataset, *, events: Events
) -> MeasuredTrust:
    """Where the figures are lower, and what becomes of them when the images get worse."""
    return measure_trust(
        predictor,
        answers,
        dataset.store,
        options=decode_options(request.data),
        wanted=request.robustness,
        events=events,
    )


def _count_use(folder: Path, predictor: Predictor, answers: Answers) -> int:
    """How often these images were used by now; counted in the model's run, where it lies in one."""
    run = predictor.model.path.parent
    return record_use(
        run if (run / SPLITS).exists() else folder,
        images=digest_of_images(answers.digests),
        model_id=predictor.model.model_id,
        date=datetime.now(UTC),
    )


def _with_names(metrics: Metrics, predictor: Predictor, dataset: Dataset, match: ClassMatch) -> Metrics:
    """The metrics, and which model and which images they are about."""
    model = predictor.metadata
    return replace(
        metrics,
        model=ModelName(id=predictor.model.model_id, run=model.run, weights_digest=model.weights_digest),
        data=DataFacts(name=dataset.name, source=escape_path(dataset.source), reader=dataset.reader),
        absent_classes=tuple(match.absent),
        foreign_classes=tuple(match.foreign),
    )
