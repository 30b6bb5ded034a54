"""The calibration and test of a run's model, on the same path as every prediction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vidi.errors import DataError
from vidi.evaluation.answers import CHANGED, Answers, Want, answer
from vidi.evaluation.document import Metrics, Trust, evaluate_parts, scored_metrics, short_figures
from vidi.evaluation.evaluation import Evaluation
from vidi.evaluation.sections import EnsembleFigures
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.images.pool import DecodeJob
from vidi.metrics.truth import OneClass
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.read import ModelFile, read_model_bytes
from vidi.model_file.write import bytes_with, model_bytes
from vidi.monitoring.reference import without_embeddings
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor
from vidi.training.train import TrainedNetwork
from vidi.workflows.evaluating.trust import measure_trust
from vidi.workflows.evaluating.two_parts import compare_with_held_out, refuted_by, rows_to_compare
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.interaction.run_folder import MODEL
from vidi.workflows.negatives.counter_examples import answer_counter_examples, describe_counter_examples
from vidi.workflows.run.calibrate import Calibrated
from vidi.workflows.run.context import Context
from vidi.workflows.run.describe import describe_model, files_learnt_from
from vidi.workflows.run.gain import measure_gain, single_predictor
from vidi.workflows.run.prepare import Prepared

MOST_LOST = 0.01  # of the images may vanish or change while it trains


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """Finished model in memory, with its test figures."""

    model: ModelFile  # calibrated, with the figures of its test
    answers: Answers  # about the parts test and extra, and counter-examples
    figures: Mapping[str, Evaluation]  # of each of these parts
    test: Evaluation | None  # None where no image was kept for the test
    account: Account  # without the images that were lost since the check
    metrics: Metrics  # what the test itself says: figures, promises kept, slices, robustness, an ensemble's gain


def evaluate_model(
    context: Context, prepared: Prepared, trained: TrainedNetwork, calibrated: Calibrated, *, with_images: bool = True
) -> Tested:
    """Calibrate and test the model file; the run folder still holds the unfinished one.

    Args:
        context: of the run.
        prepared: the data.
        trained: the network.
        calibrated: what the model file states beside its weights.
        with_images: False also leaves out of the file what tells of single images: the digests of those used for
            training, and embeddings.

    Raises:
        DataError: too many test images are gone or have changed.
    """
    context.watch.turn_to("test")
    metadata = calibrated.stated_in(describe_model(prepared, trained, run=context.folder.name))
    if with_images:
        metadata = replace(metadata, learnt_from=files_learnt_from(prepared))
    else:
        metadata = replace(metadata, drift_reference=without_embeddings(metadata.drift_reference))
    graph = to_onnx(trained.network, trained.recipe.image_size)
    predictor = Predictor.from_bytes(model_bytes(graph, metadata, novelty=calibrated.known.score))
    seed = trained.recipe.seed
    known = answer_test_images(predictor, prepared, looks_at=rows_to_compare(prepared, seed=seed).tolist())
    answers = _with_counter_examples(known, predictor, prepared, calibrated.limits, events=context.events)
    figures = evaluate_parts(answers, seed=seed)
    test = figures.get("test") if "test" in answers.parts else None
    until = context.budget.report_from()
    parts = compare_with_held_out(prepared, trained, predictor, known, held_out=calibrated.held_out, until=until)
    finished = replace(metadata, test=None if test is None else short_figures(test), refuted=refuted_by(parts))
    gain = _ensemble_gain(prepared, trained, answers, predictor=predictor, events=context.events)
    trust = _measure_trust(context, prepared, predictor, known, seed=seed)
    return Tested(
        model=read_model_bytes(bytes_with(predictor.model, finished), context.folder / MODEL),
        answers=answers,
        figures=figures,
        test=test,
        account=prepared.check.account.without(list(known.lost)),
        metrics=replace(
            scored_metrics(answers, figures, metadata, seed=seed),
            two_parts=None if parts is None else parts.figures(),
            ensemble=gain,
            trust=trust if parts is None else replace(trust, refuted=tuple(one.as_refuted() for one in parts.refuted)),
        ),
    )


def _measure_trust(context: Context, prepared: Prepared, predictor: Predictor, known: Answers, *, seed: int) -> Trust:
    """Where the figure is lower, and what becomes of it when the images get worse; as far as there is time."""
    with context.watch.on("robustness"):
        return measure_trust(
            predictor,
            known,
            DecodeJob(store=prepared.dataset.store, options=decode_options(prepared.request)),
            seed=seed,
            until=context.budget.robustness_until(sum(context.watch.seconds().values())),
            events=context.events,
        )


def _with_counter_examples(
    known: Answers, predictor: Predictor, prepared: Prepared, limits: VerdictLimits, *, events: Events
) -> Answers:
    """The answers, and those about counter-examples kept for the test, which no class of one class each is true of."""
    others = answer_counter_examples(predictor, prepared)
    for sentence in describe_counter_examples(others, limits):
        events.say(sentence)
    return known.followed_by(others) if isinstance(known.truth, OneClass) else known


def _ensemble_gain(
    prepared: Prepared, trained: TrainedNetwork, answers: Answers, *, predictor: Predictor, events: Events
) -> EnsembleFigures | None:
    """What an ensemble gains on the test images and costs in time, for metrics.json; None of a single training."""
    if trained.combination is None:
        return None
    single = single_predictor(prepared, trained, trained.combination)
    others = answer_test_images(single, prepared)
    return measure_gain(
        trained.combination, answers, others, ensemble=predictor, single=single, pixels=prepared.pixels, events=events
    )


def answer_test_images(predictor: Predictor, prepared: Prepared, *, looks_at: Collection[int] = ()) -> Answers:
    """Predict the images of the parts `test` and `extra`, read again from their files.

    Args:
        predictor: the model.
        prepared: the data.
        looks_at: rows whose embeddings are wanted too.

    Raises:
        DataError: more than one in a hundred of the data set's images is gone, unreadable or changed since the check.
    """
    split, records, images = prepared.split, prepared.check.records, prepared.dataset.images
    rows = np.concatenate([split.rows("test"), split.rows("extra")]).tolist()
    want = Want(
        options=decode_options(prepared.request),
        traits=True,
        looks_at=looks_at,
        leave_out=lambda row, digest: CHANGED if digest != records[row].digest else None,
    )
    answers = answer(predictor, prepared.dataset, {row: split.parts[row] for row in rows}, want)
    if len(answers.lost) > MOST_LOST * len(images):
        raise DataError(
            f"{len(answers.lost)} of {len(rows)} test images are missing or changed, "
            f"first {escape_path(answers.lost[0].path)}",
            "Restore the images, then finish with `vidi train --resume RUN --finish`.",
        )
    suspect = set(split.suspect_test_rows)
    return replace(
        answers,
        groups=tuple(split.groups[row] for row in answers.rows.tolist()),
        near_copies=tuple(row in suspect for row in answers.rows.tolist()),
    )
