"""Calibrated probabilities and their guarantees, from images that the network was not trained on."""

import shutil
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.guarantees.calibrate import CalibratedAnswers, calibrate_answers
from vidi.evaluation.guarantees.limits import UnseenAnswers
from vidi.evaluation.guarantees.operating import OperatingTarget
from vidi.evaluation.guarantees.promise import Promise
from vidi.groups import deal_folds, deal_learnable_folds, number_groups
from vidi.metrics.novelty import (
    NoveltyScore,
    balancing_offset,
    components_for_folds,
    fit_novelty,
)
from vidi.metrics.truth import Truth
from vidi.model_file.drift_reference import DriftReference
from vidi.model_file.limits import Basis, VerdictLimits
from vidi.model_file.metadata import Calibration, ModelMetadata
from vidi.model_file.operating_points import OperatingPoints
from vidi.model_file.write import model_bytes
from vidi.monitoring.reference import make_reference
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.framed import answer_pixels, run_pixels
from vidi.prediction.predictor import Predictor
from vidi.report.words.guarantees import describe_calibration, lacking_reference
from vidi.training.train import OutOfFoldAnswers, TrainedNetwork, train_network
from vidi.workflows.evaluating.reference import find_unseen, not_learnt_before
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.progress import calibrated_on, counter_examples_used, trainings_for_calibration
from vidi.workflows.interaction.run_folder import LABEL_ERRORS
from vidi.workflows.negatives.counter_examples import deal_counter_examples, frame_counter_examples
from vidi.workflows.run.context import Context
from vidi.workflows.run.describe import describe_data, describe_model
from vidi.workflows.run.learn import as_training_data, images_for_novelty, needs_folds
from vidi.workflows.run.prepare import Prepared
from vidi.workflows.studies.label_errors import study_labels

Distances = tuple[NDArray[np.float64], NDArray[np.float64]]  # of images: `NoveltyScore.both`


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Images that a network was trained on, or some of them, as it sees them."""

    rows: NDArray[np.int64]
    embeddings: NDArray[np.float32]  # (rows, features)
    score: NoveltyScore  # from these embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """Calibration and novelty score for a model file."""

    step: Calibration
    limits: VerdictLimits
    known: Known
    points: OperatingPoints | None = None  # None where no target is set
    reference: DriftReference | None = None  # of answers and images that the network did not learn from; None: too few
    held_out: OutOfFoldAnswers | None = None  # the answers that all of it rests on; None: not kept

    def stated_in(self, metadata: ModelMetadata) -> ModelMetadata:
        """The metadata of a model file with all of it but the novelty score, which is in the graph."""
        return replace(
            metadata,
            calibration=self.step,
            verdict=self.limits,
            operating_points=self.points,
            drift_reference=self.reference,
        )


def calibrate_model(
    context: Context,
    prepared: Prepared,
    trained: TrainedNetwork,
    predictor: Predictor,
    *,
    promise: Promise,
    target: OperatingTarget | None = None,
) -> Calibrated | None:
    """Calibrate a run's model on its calibration part or, below 1,000 images, on out-of-fold answers.

    Args:
        context: of the run.
        prepared: the data.
        trained: the network.
        predictor: its model file, not calibrated.
        promise: what sure answers and candidates are to keep.
        target: what decisions are to keep.

    Returns:
        The affine step and the limits; None where the user stopped it.
    """
    context.watch.turn_to("calibration")
    events = context.events
    strangers = _strangers(prepared, events=events)
    if needs_folds(prepared):
        held_out = _without_part(context, prepared, trained, predictor, strangers)
    else:
        held_out = _by_part(prepared, trained, predictor, strangers)
    if held_out is None:
        return None
    known, novelty = _balanced(held_out)
    rows = held_out.rows
    answers = UnseenAnswers(
        probabilities=held_out.probabilities,
        truth=prepared.truth.at(rows),
        groups=number_groups([prepared.split.groups[row] for row in rows.tolist()]),
        novelty=novelty,
        basis=held_out.basis,
    )
    done = calibrate_answers(
        answers,
        prepared.dataset.classes,
        promise=promise,
        target=target,
        positive=prepared.request.positive,
        others=partial(_other_answers, prepared, trained, predictor) if held_out.basis == "calibration" else None,
    )
    reference = _reference(done, answers, held_out, prepared=prepared, predictor=predictor, score=known.score)
    how, *further = describe_calibration(done)
    for sentence in (calibrated_on(len(rows), how), *further, *lacking_reference(reference)):
        events.say(sentence)
    kept = OutOfFoldAnswers(rows=rows, probabilities=held_out.probabilities)
    return Calibrated(
        step=done.step, limits=done.limits, known=known, points=done.points, reference=reference, held_out=kept
    )


def _reference(
    done: CalibratedAnswers,
    answers: UnseenAnswers,
    held_out: "_Unseen",
    *,
    prepared: Prepared,
    predictor: Predictor,
    score: NoveltyScore,
) -> DriftReference | None:
    """What later traffic is compared with, without images that an earlier run of these weights trained on."""
    kept, novelty, known = not_learnt_before(prepared, held_out.rows), answers.novelty, held_out.embeddings

    def embed(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if known is not None:
            return known[np.searchsorted(held_out.rows, rows)]
        return run_pixels(predictor, prepared.pixels, rows, ("embedding",))["embedding"]

    return make_reference(
        done.fitted.probabilities[kept],
        replace(predictor.metadata, unfinished=None, verdict=done.limits, operating_points=done.points),
        basis=answers.basis,
        groups=None if answers.groups is None else answers.groups[kept],
        novelty=novelty[kept] if novelty is not None and len(novelty) == len(kept) else None,
        images=find_unseen(prepared, embed=embed, judge=None if known is None else score.of),
    )


def _other_answers(
    prepared: Prepared, trained: TrainedNetwork, predictor: Predictor
) -> tuple[NDArray[np.float32], Truth]:
    """Answers about images outside the calibration part that were not used for training, and the truth."""
    if trained.held_out is not None:
        return trained.held_out.probabilities, prepared.truth.at(trained.held_out.rows)
    rows = prepared.split.rows("validation")
    if not len(rows):
        return np.empty((0, len(predictor.classes)), np.float32), prepared.truth.at(rows)
    return answer_pixels(predictor, prepared.pixels, rows), prepared.truth.at(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unseen:
    """Answers about images by networks that were not trained on them."""

    basis: Basis
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float32]  # (rows, classes)
    known: Known  # to the model that is published
    distances: Distances | None  # of some images that were not used for training; None where there are none
    embeddings: NDArray[np.float32] | None = None  # (rows, features) by the published model; rows rise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Strangers:
    """Counter-examples that show what is unknown."""

    pixels: NDArray[np.uint8]  # (images, height, width, 3), framed
    kinds: NDArray[np.int64]  # (images,)

    def seen_by(self, predictor: Predictor) -> NDArray[np.float32]:
        """(images, features): their embeddings."""
        rows = np.arange(len(self.pixels))
        return (
            run_pixels(predictor, self.pixels, rows, ("embedding",))["embedding"]
            if len(rows)
            else np.empty((0, 0), np.float32)
        )

    def known_to(self, score: NoveltyScore, embeddings: NDArray[np.float32]) -> NoveltyScore:
        """The score that knows where they lie; as it was where there are none."""
        return score.knowing(embeddings, self.kinds) if len(embeddings) else score

    def known_with(self, known: Known, embeddings: NDArray[np.float32]) -> Known:
        """What the model knows, with a score that knows where they lie."""
        return replace(known, score=self.known_to(known.score, embeddings))


def _strangers(prepared: Prepared, *, events: Events) -> _Strangers:
    """The counter-examples of the data set that are not kept for the test."""
    dealt = deal_counter_examples(prepared)
    pixels, kinds = frame_counter_examples(prepared, dealt.to_learn)
    if prepared.dataset.counter_examples:
        unusable = dealt.unusable + len(dealt.to_learn) - len(pixels)
        events.say(counter_examples_used(len(pixels), len(dealt.to_test), unusable))
    return _Strangers(pixels=pixels, kinds=kinds)


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


def _by_part(prepared: Prepared, trained: TrainedNetwork, predictor: Predictor, strangers: _Strangers) -> _Unseen:
    """From the calibration part."""
    rows = prepared.split.rows("calibration")
    known = strangers.known_with(_known_to(trained, predictor, prepared), strangers.seen_by(predictor))
    given = run_pixels(predictor, prepared.pixels, rows, ("probabilities", "embedding"))
    return _Unseen(
        basis="calibration",
        rows=rows,
        probabilities=given["probabilities"],
        known=known,
        distances=known.score.both(given["embedding"]),
        embeddings=given["embedding"],
    )


def _without_part(
    context: Context, prepared: Prepared, trained: TrainedNetwork, predictor: Predictor, strangers: _Strangers
) -> _Unseen | None:
    """From answers by networks that had not seen the image; None where the user stopped it."""
    seen = strangers.seen_by(predictor)
    known = strangers.known_with(_known_to(trained, predictor, prepared), seen)
    if (answered := trained.held_out) is not None:
        groups = [prepared.split.groups[row] for row in answered.rows.tolist()]
        labels = prepared.truth.strata[answered.rows]
        fold_of = deal_folds(groups, labels=labels, seed=trained.recipe.seed)
        return _Unseen(
            basis="out-of-fold",
            rows=answered.rows,
            probabilities=answered.probabilities,
            known=known,
            distances=None
            if answered.features is None or len(np.unique(fold_of)) < 2
            else _cross_fitted(
                answered.features, labels, fold_of, strangers=strangers, seen=seen, components=_components(prepared)
            ),
        )
    by_folds = _out_of_fold(context, prepared, trained, strangers)
    if by_folds is None:
        return None
    rows, probabilities, distances = by_folds
    if len(rows) and not (context.folder / LABEL_ERRORS).exists():
        study_labels(context, prepared, rows, probabilities, drop_suspects=False)
    return _Unseen(basis="out-of-fold", rows=rows, probabilities=probabilities, known=known, distances=distances)


def _known_to(trained: TrainedNetwork, predictor: Predictor, prepared: Prepared) -> Known:
    """What a run's model knows: the features that a head was fitted on, or embeddings computed now."""
    known, learnt = trained.held_out, as_training_data(prepared).train_rows
    if known is not None and known.features is not None and _show_all(prepared, known.rows, learnt):
        score = fit_novelty(known.features, prepared.truth.strata[known.rows], components=_components(prepared))
        return Known(rows=known.rows, embeddings=known.features, score=score)
    return embed_known(predictor, prepared, learnt, head=trained.own_head())


def _show_all(prepared: Prepared, rows: NDArray[np.int64], learnt: NDArray[np.int64]) -> bool:
    """Whether these images show every class of the model; a class with one image is never held out."""
    strata = prepared.truth.strata
    return bool(np.isin(strata[learnt], strata[rows]).all())


def embed_known(
    predictor: Predictor,
    prepared: Prepared,
    rows: NDArray[np.int64],
    *,
    head: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Known:
    """Compute the embeddings of a model's training images, and its novelty score.

    Args:
        predictor: of the model.
        prepared: the images.
        rows: which it was trained on; of very many, evenly spaced ones are taken.
        head: as of `fit_novelty`.
    """
    some = rows[:: -(-len(rows) // images_for_novelty(prepared))]
    embeddings = run_pixels(predictor, prepared.pixels, some, ("embedding",))["embedding"]
    score = fit_novelty(embeddings, prepared.truth.strata[some], components=_components(prepared), head=head)
    return Known(rows=some, embeddings=embeddings, score=score)


def _components(prepared: Prepared) -> int | None:
    """Directions that novelty looks at: as many for each fold as for all, where folds set its limit."""
    count = len(prepared.split.rows("train")) + len(prepared.split.rows("validation"))
    return components_for_folds(count) if needs_folds(prepared) else None


def _cross_fitted(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    *,
    strangers: _Strangers,
    seen: NDArray[np.float32],
    components: int | None,
) -> Distances:
    """Both distances of each image by a score that was fitted on the folds that it is not in.

    Args:
        embeddings: (images, features).
        labels: (images,) class index.
        fold_of: (images,) number of the fold.
        strangers: counter-examples.
        seen: their embeddings.
        components: directions that the score looks at.
    """
    distances = np.zeros((2, len(labels)))
    for fold in np.unique(fold_of):
        held_out = fold_of == fold
        own = fit_novelty(embeddings[~held_out], labels[~held_out], components=components)
        score = strangers.known_to(own, seen)
        distances[:, held_out] = score.both(embeddings[held_out])
    return distances[0], distances[1]


def has_seen(prepared: Prepared, rows: NDArray[np.int64]) -> bool:
    """Whether the weights that the run starts from have seen any of these images."""
    if prepared.start is None:
        return False
    is_same = prepared.start.data_digest == describe_data(prepared)["digest"]
    return is_same or not bool(not_learnt_before(prepared, rows).all())


def _out_of_fold(
    context: Context, prepared: Prepared, trained: TrainedNetwork, strangers: _Strangers
) -> tuple[NDArray[np.int64], NDArray[np.float32], Distances] | None:
    """Train and validation images, with answers and distances by networks of the same recipe that had not seen them."""
    arrays, should_stop, place = as_training_data(prepared), context.should_stop, context.folder / "folds"
    # Answers are calibrated on whatever there is; only learning leaves likely label errors out.
    rows = np.sort(np.concatenate([arrays.train_rows, arrays.validation_rows, prepared.left_out]))
    if has_seen(prepared, rows):
        arrays = replace(arrays, start=None)  # those weights have seen the images that a fold holds out
    groups = [prepared.split.groups[row] for row in rows.tolist()]
    seed, taken = trained.recipe.seed, sum(row.seconds for row in trained.history)
    folds_wanted = context.budget.fold_count(seconds=taken)
    fold_of = deal_learnable_folds(groups, labels=arrays.strata[rows], folds=folds_wanted, seed=seed)
    folds = np.unique(fold_of[fold_of >= 0]).tolist()
    if folds:
        context.events.say(trainings_for_calibration(len(folds), len(rows)))
    probabilities, distances = np.zeros((len(rows), arrays.class_count), np.float32), np.zeros((2, len(rows)))
    for number, fold in enumerate(folds):
        held_out = fold_of == fold
        learnt = np.setdiff1d(rows[~held_out], prepared.left_out)
        data = replace(arrays, train_rows=learnt, validation_rows=rows[:0])
        if prepared.begin is not None:
            data = replace(data, initial=prepared.begin.tensors(learnt))
        network = train_network(
            data,
            replace(trained.recipe, epochs=max(1, len(trained.history))),  # not more, even if there is time
            folder=place,
            deadline=context.budget.fold_until(folds=len(folds) - number),
            on_progress=context.events.training,
            should_stop=should_stop,
        )
        if should_stop():
            shutil.rmtree(place)
            return None
        metadata = describe_model(prepared, network, run=f"fold {number + 1}", unfinished="made for calibration only")
        predictor = Predictor.from_bytes(model_bytes(to_onnx(network.network, network.recipe.image_size), metadata))
        given = run_pixels(predictor, prepared.pixels, rows[held_out], ("probabilities", "embedding"))
        probabilities[held_out] = given["probabilities"]
        known = embed_known(predictor, prepared, learnt, head=network.own_head())
        score = strangers.known_to(known.score, strangers.seen_by(predictor))
        distances[:, held_out] = score.both(given["embedding"])
        shutil.rmtree(place)
    answered = fold_of >= 0
    return rows[answered], probabilities[answered], (distances[0, answered], distances[1, answered])
