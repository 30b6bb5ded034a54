"""Honest probabilities, and what may be promised of them, from images that the network has not learnt from."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.limits import Promise, as_calibration, choose_ranking, describe_limits, find_limits
from vidi.machine import Deadline
from vidi.metrics.affine import fit_affine
from vidi.model_file.limits import Basis, Ranking, VerdictLimits
from vidi.model_file.metadata import Calibration
from vidi.model_file.write import write_model
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor
from vidi.training.train import TrainedNetwork, train_network
from vidi.workflows.describe import describe_data, describe_model
from vidi.workflows.events import Events
from vidi.workflows.folds import FOLD_COUNT, deal_folds
from vidi.workflows.learn import as_training_data, needs_folds
from vidi.workflows.prepare import Prepared
from vidi.workflows.run_folder import LABEL_ERRORS, MODEL
from vidi.workflows.study import study_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What a model file states beside its weights."""

    step: Calibration
    limits: VerdictLimits


def calibrate_model(
    folder: Path,
    prepared: Prepared,
    trained: TrainedNetwork,
    *,
    promise: Promise,
    deadline: Deadline | None,
    should_stop: Callable[[], bool],
    events: Events,
) -> Calibrated | None:
    """The calibration of a run's model, from its calibration part or, below 1,000 images, from out-of-fold answers.

    Returns:
        The affine step and the limits; None where the user stopped it.
    """
    basis: Basis = "out-of-fold" if needs_folds(prepared) else "calibration"
    held_out = None
    if needs_folds(prepared) and trained.held_out is not None:
        rows, probabilities = trained.held_out.rows, trained.held_out.probabilities
    elif needs_folds(prepared):
        answered = _out_of_fold(folder, prepared, trained, deadline=deadline, should_stop=should_stop, events=events)
        if answered is None:
            return None
        rows, probabilities = answered
        if not (folder / LABEL_ERRORS).exists():
            study_labels(folder, prepared, rows, probabilities, drop_suspects=False, events=events)
    else:
        predictor = Predictor.load(folder / MODEL)
        rows, held_out = prepared.split.rows("calibration"), prepared.split.rows("validation")
        probabilities = answer_pixels(predictor, prepared.pixels, rows)
    groups = np.unique([prepared.split.groups[row] for row in rows.tolist()], return_inverse=True)[1].astype(np.int64)
    labels = prepared.labels[rows]
    fitted = fit_affine(probabilities, labels, groups=groups)
    ranking: Ranking = "probability"
    if held_out is not None and len(held_out):
        seen = fitted.step.apply(answer_pixels(predictor, prepared.pixels, held_out))
        ranking = choose_ranking(seen, prepared.labels[held_out])
    limits = find_limits(fitted.probabilities, labels, groups=groups, promise=promise, basis=basis, ranking=ranking)
    events.say(f"calibration on {len(rows):,} images: {fitted.sentence}")
    for sentence in describe_limits(limits):
        events.say(sentence)
    return Calibrated(step=as_calibration(fitted), limits=limits)


def answer_pixels(predictor: Predictor, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The model's probabilities (rows, classes) for images that are framed already."""
    batches = [
        predictor.run(np.ascontiguousarray(pixels[some]), ("probabilities",))["probabilities"]
        for some in in_batches(rows)
    ]
    return np.concatenate(batches)


def in_batches(rows: NDArray[np.int64], size: int = 32) -> list[NDArray[np.int64]]:
    """The rows in pieces of at most `size`, in order."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _out_of_fold(
    folder: Path,
    prepared: Prepared,
    trained: TrainedNetwork,
    *,
    deadline: Deadline | None,
    should_stop: Callable[[], bool],
    events: Events,
) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
    """Answers about train and validation images, each by a network that has not seen it, trained by the same recipe."""
    arrays = as_training_data(prepared)
    if prepared.start is not None and prepared.start.data_digest == describe_data(prepared)["digest"]:
        arrays = replace(arrays, start=None)  # those weights have seen the images that a fold holds out
    # Answers are calibrated on whatever there is; only learning leaves likely label errors out.
    rows = np.sort(np.concatenate([arrays.train_rows, arrays.validation_rows, prepared.left_out]))
    groups = [prepared.split.groups[row] for row in rows.tolist()]
    fold_of = deal_folds(arrays.labels[rows], groups, folds=FOLD_COUNT, seed=trained.recipe.seed)
    events.say(f"calibration: {FOLD_COUNT} more trainings, each on four fifths of {len(rows):,} images")
    probabilities = np.zeros((len(rows), arrays.class_count), np.float32)
    for fold in range(FOLD_COUNT):
        held_out = fold_of == fold
        learnt = np.setdiff1d(rows[~held_out], prepared.left_out)
        data = replace(arrays, train_rows=learnt, validation_rows=rows[:0])
        if prepared.begin is not None:
            data = replace(data, initial=prepared.begin(learnt))
        until = (
            None if deadline is None else Deadline.after(max(1.0, deadline.seconds_left() * 0.8 / (FOLD_COUNT - fold)))
        )
        place = folder / "folds"
        network = train_network(
            data, trained.recipe, folder=place, deadline=until, on_progress=events.training, should_stop=should_stop
        )
        if should_stop():
            shutil.rmtree(place)
            return None
        metadata = describe_model(prepared, network, run=f"fold {fold + 1}", unfinished="made for calibration only")
        write_model(place / MODEL, to_onnx(network.network, network.recipe.image_size), metadata)
        probabilities[held_out] = answer_pixels(Predictor.load(place), prepared.pixels, rows[held_out])
        shutil.rmtree(place)
    return rows, probabilities
