"""An evaluation's folder: evaluation.json, metrics.json, predictions.csv and report.html."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vidi.data.dataset import Dataset
from vidi.evaluation.answers import Answers
from vidi.evaluation.document import LabelFigures, Origin, scored_metrics
from vidi.evaluation.evaluate import Evaluation
from vidi.evaluation.guarantees.refuted import refuted_on
from vidi.evaluation.match import ClassMatch
from vidi.evaluation.run_files import write_metrics, write_predictions
from vidi.evaluation.sections import AccountFacts, CorrectedTest, DataFacts, LearnedFacts, ModelName
from vidi.evaluation.uses import digest_of_images, record_use
from vidi.files import escape_path, write_atomic
from vidi.images.account import Account
from vidi.images.pool import DecodeJob
from vidi.model_file.read import ModelFile
from vidi.prediction.predictor import Predictor
from vidi.report.pages.run import write_report
from vidi.workflows.evaluating.trust import measure_trust
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.interaction.run_folder import EVALUATION, SPLITS, open_run_folder
from vidi.workflows.requests.model_file import EvaluateRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredDataset:
    """A model's answers about a data set, and what is known about the images."""

    dataset: Dataset
    match: ClassMatch
    answers: Answers
    figures: Mapping[str, Evaluation]  # of each part, by `evaluate_parts`
    account: Account
    learned_from: LearnedFacts
    corrected: CorrectedTest | None = None


def open_folder(request: EvaluateRequest, dataset: Dataset) -> Path:
    """The folder asked for, or the next free `evaluations/NAME`."""
    return open_run_folder(
        request.output,
        name=dataset.name,
        source=Path(request.data.source),
        kind="evaluation",
        overwrite=request.overwrite,
    )


def write_request(folder: Path, request: EvaluateRequest) -> None:
    """Write evaluation.json: an evaluation's request as plain values, for a new report."""
    values: dict[str, Any] = {
        "schema": 1,
        "model": escape_path(request.model),
        "data": asdict(request.data),
        "engine": request.engine,
        "images": request.images,
    }
    write_atomic(folder / EVALUATION, json.dumps(values, indent=1) + "\n")


def count_use(run: Path, folder: Path, model: ModelFile, answers: Answers) -> int:
    """Note that a model was scored on these images, in a run where there is one, and count how often they were used."""
    return record_use(
        run if (run / SPLITS).exists() else folder,
        images=digest_of_images(answers.digests),
        model_id=model.model_id,
        date=datetime.now(UTC),
    )


def write_evaluation(
    folder: Path,
    request: EvaluateRequest,
    predictor: Predictor,
    scored: ScoredDataset,
    *,
    test_uses: int,
    events: Events = SILENCE,
) -> None:
    """Measure what the answers say, and write it with its report.

    Raises:
        ResourceError: the results cannot be written.
    """
    answers, model, dataset = scored.answers, predictor.metadata, scored.dataset
    write_request(folder, request)
    options = decode_options(request.data)
    job = DecodeJob(options=options)
    trust = measure_trust(predictor, answers, dataset.store, job if request.robustness else None, events=events)
    alone = scored_metrics(answers, scored.figures, model)
    metrics = replace(
        alone,
        origin=Origin(
            model=ModelName(id=predictor.model.model_id, run=model.provenance.run, weights_digest=model.weights_digest),
            data=DataFacts(name=dataset.name, source=escape_path(dataset.source), reader=dataset.reader),
            absent_classes=tuple(scored.match.absent),
            foreign_classes=tuple(scored.match.foreign),
        ),
        account=AccountFacts.of(scored.account),
        learned_from=scored.learned_from,
        labels=replace(alone.labels if scored.learned_from.unseen else LabelFigures(), corrected_test=scored.corrected),
        test_uses=test_uses,
        trust=replace(trust, refuted=tuple(one.as_refuted() for one in refuted_on(answers, model))),
    )
    write_predictions(folder, answers, model)
    write_metrics(folder, metrics)
    write_report(folder, model=predictor.model, store=dataset.store, options=options, with_images=request.images)
