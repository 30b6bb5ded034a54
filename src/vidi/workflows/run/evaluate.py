"""The calibration and test of a run's model, on the same path as every prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vidi.evaluation.answers import Answers
from vidi.evaluation.document import Metrics, Trust, evaluate_parts, scored_metrics, short_figures
from vidi.evaluation.evaluate import Evaluation
from vidi.images.account import Account
from vidi.images.pool import DecodeJob
from vidi.model_file.read import ModelFile, read_model_bytes
from vidi.model_file.write import bytes_with
from vidi.prediction.predictor import Predictor
from vidi.workflows.evaluating.trust import measure_trust
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.interaction.run_folder import MODEL
from vidi.workflows.run.answers import add_negatives, answer_test_images, score_test_as_given
from vidi.workflows.run.budget import Budget
from vidi.workflows.run.gain import ensemble_gain
from vidi.workflows.run.known import ModelCalibration
from vidi.workflows.run.learning.learn import LearnedModel
from vidi.workflows.run.prepare import SplitImages
from vidi.workflows.run.publish import finished_bytes
from vidi.workflows.run.two_parts import compare_with_held_out, refuted_by, rows_to_compare


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedModel:
    """Finished model in memory, with its test figures."""

    model: ModelFile  # calibrated, with the figures of its test
    answers: Answers  # about the parts test and extra, and negatives
    figures: Mapping[str, Evaluation]  # of each of these parts
    test: Evaluation | None  # None where no image was kept for the test
    account: Account  # without the images that were lost since the check
    metrics: Metrics  # what the test itself says: figures, promises kept, slices, robustness, an ensemble's gain


def evaluate_model(
    folder: Path,
    learned: LearnedModel,
    calibrated: ModelCalibration,
    *,
    budget: Budget,
    events: Events,
    with_images: bool = True,
) -> TestedModel:
    """Calibrate and test the model file; the run folder still holds the unfinished one.

    Args:
        with_images: False also leaves out of the file what tells of single images: the digests of those used for
            training, and embeddings.

    Raises:
        DataError: too many test images are gone or have changed.
    """
    images = learned.images
    stated = calibrated if with_images else calibrated.telling_of_no_image()
    data = finished_bytes(learned, stated, run=folder.name, states_files=with_images)
    predictor = Predictor.from_bytes(data)
    metadata = predictor.metadata
    seed = learned.trained.recipe.seed
    known = answer_test_images(predictor, images, looks_at=rows_to_compare(images, seed=seed).tolist())
    answers = add_negatives(known, predictor, images, events=events)
    figures = evaluate_parts(answers, seed=seed)
    test = figures.get("test") if "test" in answers.parts else None
    until = budget.report_from()
    parts = compare_with_held_out(learned, predictor, known, held_out=calibrated.held_out, until=until)
    finished = replace(metadata, test=None if test is None else short_figures(test), refuted=refuted_by(parts))
    gain = ensemble_gain(learned, answers, predictor=predictor, events=events)
    corrected = score_test_as_given(predictor, images, known, seed=seed)
    trust = _measure_trust(images, predictor, known, seed=seed, budget=budget, events=events)
    scored = scored_metrics(answers, figures, metadata, seed=seed)
    return TestedModel(
        model=read_model_bytes(bytes_with(predictor.model, finished), folder / MODEL),
        answers=answers,
        figures=figures,
        test=test,
        account=images.check.account.without(list(known.lost)),
        metrics=replace(
            scored,
            labels=replace(scored.labels, corrected_test=corrected),
            two_parts=None if parts is None else parts.figures,
            ensemble=gain,
            trust=trust if parts is None else replace(trust, refuted=tuple(one.as_refuted() for one in parts.refuted)),
        ),
    )


def _measure_trust(
    images: SplitImages, predictor: Predictor, known: Answers, *, seed: int, budget: Budget, events: Events
) -> Trust:
    """Where the figure is lower, and what becomes of it when the images get worse; as far as there is time."""
    with budget.watch.on("robustness"):
        return measure_trust(
            predictor,
            known,
            images.dataset.store,
            DecodeJob(options=decode_options(images.request)),
            seed=seed,
            until=budget.robustness_until(),
            events=events,
        )
