"""Calibrated probabilities and their guarantees, from images that the network was not trained on."""

import shutil
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers
from vidi.evaluation.run_files import LABEL_ERRORS
from vidi.groups import number_groups, split_folds, split_learnable_folds
from vidi.metrics.novelty import balancing_offset
from vidi.metrics.truth import Truth
from vidi.model_file.limits import Basis
from vidi.model_file.write import model_bytes
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor, run_pixels
from vidi.report.words.guarantees import describe_calibration, lacking_reference
from vidi.training.loop.progress import Listener
from vidi.training.train import train_network
from vidi.training.trained import OutOfFoldAnswers
from vidi.workflows.requests.shared import Guarantees
from vidi.workflows.run.budget import SHORT_FOLDS, Session
from vidi.workflows.run.describe import describe_data, describe_model
from vidi.workflows.run.known import (
    Distances,
    Known,
    ModelCalibration,
    Outliers,
    components_of,
    cross_fitted,
    embed_known,
    find_outliers,
    known_to,
    not_trained_on,
    reference_for,
)
from vidi.workflows.run.learning.label_errors import study_labels
from vidi.workflows.run.learning.learn import LearnedModel, needs_folds


def calibrate_model(
    session: Session,
    learned: LearnedModel,
    predictor: Predictor,
    *,
    guarantees: Guarantees,
) -> ModelCalibration | None:
    """Calibrate a run's model on its calibration part or, below 1,000 images, on out-of-fold answers.

    Args:
        predictor: its model file, not calibrated.

    Returns:
        The affine step and the limits; None where the user stopped it.
    """
    events, images = session.events, learned.images
    outliers = find_outliers(images, events=events)
    if needs_folds(images):
        held_out = _without_part(session, learned, predictor, outliers)
    else:
        held_out = _by_part(learned, predictor, outliers)
    if held_out is None:
        return None
    known, novelty = _balanced(held_out)
    rows = held_out.rows
    answers = UnseenAnswers(
        probabilities=held_out.probabilities,
        truth=images.truth.at(rows),
        groups=number_groups([images.split.groups[row] for row in rows.tolist()]),
        novelty=novelty,
        basis=held_out.basis,
    )
    done = calibrate_answers(
        answers,
        images.dataset.classes,
        promise=guarantees.promise,
        target=guarantees.target,
        positive=images.request.positive,
        others=partial(_other_answers, learned, predictor) if held_out.basis == "calibration" else None,
    )
    reference = reference_for(
        done, answers, learned, predictor, rows=rows, embeddings=held_out.embeddings, score=known.score
    )
    how, *further = describe_calibration(done)
    for sentence in (f"calibration on {len(rows):,} images: {how}", *further, *lacking_reference(reference)):
        events.say(sentence)
    kept = OutOfFoldAnswers(rows=rows, probabilities=held_out.probabilities)
    return ModelCalibration(done=done, known=known, reference=reference, held_out=kept)


def _other_answers(learned: LearnedModel, predictor: Predictor) -> tuple[NDArray[np.float32], Truth]:
    """Answers about images outside the calibration part that were not used for training, and the truth."""
    trained, images = learned.trained, learned.images
    if trained.held_out is not None:
        return trained.held_out.probabilities, images.truth.at(trained.held_out.rows)
    rows = images.split.rows("validation")
    if not len(rows):
        return np.empty((0, len(predictor.classes)), np.float32), images.truth.at(rows)
    answered = run_pixels(predictor, images.pixels, rows, ("probabilities",))
    return answered["probabilities"], images.truth.at(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unseen:
    """Answers about images by networks that were not trained on them."""

    basis: Basis
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float32]  # (rows, classes)
    known: Known  # to the model that is published
    distances: Distances | None  # of some images that were not used for training; None where there are none
    embeddings: NDArray[np.float32] | None = None  # (rows, features) by the published model; rows rise


def _balanced(held_out: _Unseen) -> tuple[Known, NDArray[np.float64] | None]:
    """What the model knows, its score with the offset, and the novelty of images that were not used for training."""
    known, score = held_out.known, held_out.known.score
    if held_out.distances is None:
        return replace(known, score=replace(score, counters=None)), None
    distance, resemblance = held_out.distances
    if score.counters is None:
        return known, distance
    offset = balancing_offset(distance, resemblance)
    return replace(known, score=replace(score, offset=offset)), np.maximum(distance, resemblance + offset)


def _by_part(learned: LearnedModel, predictor: Predictor, outliers: Outliers) -> _Unseen:
    """From the calibration part."""
    images = learned.images
    rows = images.split.rows("calibration")
    known = outliers.known_with(known_to(learned, predictor), outliers.seen_by(predictor))
    given = run_pixels(predictor, images.pixels, rows, ("probabilities", "embedding"))
    return _Unseen(
        basis="calibration",
        rows=rows,
        probabilities=given["probabilities"],
        known=known,
        distances=known.score.both(given["embedding"]),
        embeddings=given["embedding"],
    )


def _without_part(session: Session, learned: LearnedModel, predictor: Predictor, outliers: Outliers) -> _Unseen | None:
    """From answers by networks that had not seen the image; None where the user stopped it."""
    trained, images, seen = learned.trained, learned.images, outliers.seen_by(predictor)
    known = outliers.known_with(known_to(learned, predictor), seen)
    if (answered := trained.held_out) is not None:
        groups = [images.split.groups[row] for row in answered.rows.tolist()]
        labels = images.truth.strata[answered.rows]
        fold_of = split_folds(groups, labels=labels, seed=trained.recipe.seed)
        return _Unseen(
            basis="out-of-fold",
            rows=answered.rows,
            probabilities=answered.probabilities,
            known=known,
            distances=None
            if answered.features is None or len(np.unique(fold_of)) < 2
            else cross_fitted(
                answered.features, labels, fold_of, outliers=outliers, seen=seen, components=components_of(images)
            ),
        )
    by_folds = answer_out_of_fold(session, learned, outliers)
    if by_folds is None:
        return None
    rows, probabilities, distances = by_folds
    return _Unseen(basis="out-of-fold", rows=rows, probabilities=probabilities, known=known, distances=distances)


def answer_out_of_fold(
    session: Session, learned: LearnedModel, outliers: Outliers
) -> tuple[NDArray[np.int64], NDArray[np.float32], Distances] | None:
    """Train and validation images, with answers and distances by networks of the same recipe that had not seen them."""
    data, images, trained = learned.data, learned.images, learned.trained
    should_stop, place = session.should_stop, session.folder / "folds"
    # Answers are calibrated on whatever there is; only learning leaves likely label errors out.
    rows = np.sort(np.concatenate([data.train_rows, data.validation_rows, data.left_out]))
    if has_seen(learned, rows):
        data = replace(data, start=None)  # those weights have seen the images that a fold holds out
    seed, taken = trained.recipe.seed, sum(row.seconds for row in trained.history)
    folds_wanted = session.budget.fold_count(seconds=taken)
    parts = max(SHORT_FOLDS, folds_wanted)
    fold_of = split_learnable_folds(data.groups_of(rows), labels=data.strata[rows], folds=parts, seed=seed)
    folds = np.unique(fold_of[fold_of >= 0]).tolist()[:folds_wanted]
    if folds:
        more = "1 more training" if len(folds) == 1 else f"{len(folds)} more trainings, each"
        session.events.say(f"calibration: {more} with a part of the {len(rows):,} images held out")
    probabilities, distances = np.zeros((len(rows), data.class_count), np.float32), np.zeros((2, len(rows)))
    epochs = max(1, len(trained.history))  # not more, even if there is time
    for number, fold in enumerate(folds):
        held_out = fold_of == fold
        trained_rows = np.setdiff1d(rows[~held_out], data.left_out)
        network = train_network(
            replace(data, train_rows=trained_rows, validation_rows=rows[:0]),
            trained.recipe.changed({"epochs": epochs}, source="as many as the network was trained for"),
            folder=place,
            deadline=session.budget.fold_until(folds=len(folds) - number),
            listener=Listener(progress=session.events.training),
            should_stop=should_stop,
        )
        if should_stop():
            shutil.rmtree(place)
            return None
        metadata = describe_model(images, network, run=f"fold {number + 1}", unfinished="made for calibration only")
        predictor = Predictor.from_bytes(model_bytes(to_onnx(network.network, network.recipe.image_size), metadata))
        given = run_pixels(predictor, images.pixels, rows[held_out], ("probabilities", "embedding"))
        probabilities[held_out] = given["probabilities"]
        known = embed_known(predictor, images, trained_rows, head=network.own_head())
        score = outliers.known_to(known.score, outliers.seen_by(predictor))
        distances[:, held_out] = score.both(given["embedding"])
        shutil.rmtree(place)
    answered = np.isin(fold_of, folds)
    rows, probabilities = rows[answered], probabilities[answered]
    if len(rows) and not (session.folder / LABEL_ERRORS).exists():
        study_labels(session.folder, images, rows, probabilities, drop_suspects=False, events=session.events)
    return rows, probabilities, (distances[0, answered], distances[1, answered])


def has_seen(learned: LearnedModel, rows: NDArray[np.int64]) -> bool:
    """Whether the weights that the run starts from have seen any of these images."""
    if learned.start is None:
        return False
    is_same = learned.start.data_digest == describe_data(learned.images)["digest"]
    return is_same or not bool(not_trained_on(learned, rows).all())
