"""Calibrated probabilities and their guarantees, from images that the network was not trained on."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers
from vidi.groups import number_groups, split_folds
from vidi.metrics.novelty import balancing_offset
from vidi.metrics.truth import Truth
from vidi.model_file.limits import Basis
from vidi.prediction.predictor import Predictor, run_pixels
from vidi.report.words.guarantees import describe_calibration, lacking_reference
from vidi.training.trained import OutOfFoldAnswers
from vidi.workflows.requests.shared import Guarantees
from vidi.workflows.run.budget import Session
from vidi.workflows.run.known import (
    Distances,
    Known,
    ModelCalibration,
    Outliers,
    components_of,
    cross_fitted,
    find_outliers,
    known_to,
    reference_for,
)
from vidi.workflows.run.learning.learn import LearnedModel, needs_folds
from vidi.workflows.run.out_of_fold import answer_out_of_fold


def calibrate_model(
    session: Session,
    learned: LearnedModel,
    predictor: Predictor,
    *,
    guarantees: Guarantees,
) -> ModelCalibration | None:
    """Calibrate a run's model on its calibration part or, below 1,000 images, on out-of-fold answers.

    Args:
        session: of the run.
        learned: the data and the network.
        predictor: its model file, not calibrated.
        guarantees: what the limits are to keep.

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
