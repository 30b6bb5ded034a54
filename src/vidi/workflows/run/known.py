"""What a model file states of its images: those it learned from, outliers, and those that it never saw."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.guarantees.calibrate import CalibratedAnswers, UnseenAnswers
from vidi.groups import number_groups
from vidi.images.statistics import statistics_of
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.novelty import NoveltyScore, components_for_folds, fit_novelty
from vidi.model_file.drift_reference import DriftReference, ReferencePart
from vidi.model_file.metadata import ModelMetadata
from vidi.monitoring.reference import LEAST, UnseenImages, make_reference, thin_out, without_embeddings
from vidi.prediction.predictor import Predictor, embed_images
from vidi.training.trained import OutOfFoldAnswers
from vidi.workflows.interaction.events import Events
from vidi.workflows.run.answers import frame_negatives, split_negatives
from vidi.workflows.run.learning.learn import LearnedModel, images_for_novelty, needs_folds
from vidi.workflows.run.prepare import SplitImages

Distances = tuple[NDArray[np.float64], NDArray[np.float64]]  # of images: `NoveltyScore.both`


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Images that a network was trained on, or some of them, as it sees them."""

    rows: NDArray[np.int64]
    embeddings: NDArray[np.float32]  # (rows, features)
    score: NoveltyScore  # from these embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalibration:
    """Calibration and novelty score for a model file."""

    done: CalibratedAnswers  # step, limits and operating points
    known: Known
    reference: DriftReference | None = None  # of answers and images that the network did not learn from; None: too few
    held_out: OutOfFoldAnswers | None = None  # the answers that all of it rests on; None: not kept

    def stated_in(self, metadata: ModelMetadata) -> ModelMetadata:
        """The metadata of a model file with all of it but the novelty score, which is in the graph."""
        return replace(self.done.stated_in(metadata), drift_reference=self.reference)

    def telling_of_no_image(self) -> Self:
        """The same without what tells of single images."""
        return replace(self, reference=without_embeddings(self.reference))


def known_to(learned: LearnedModel, predictor: Predictor) -> Known:
    """What a run's model knows: the features that a head was fitted on, or embeddings computed now."""
    known, data, images = learned.trained.held_out, learned.data, learned.images
    if known is not None and known.features is not None and _show_all(data.strata, known.rows, data.train_rows):
        score = fit_novelty(known.features, data.strata[known.rows], components=components_of(images))
        return Known(rows=known.rows, embeddings=known.features, score=score)
    return embed_known(predictor, images, data.train_rows, head=learned.trained.own_head())


def _show_all(strata: NDArray[np.int64], rows: NDArray[np.int64], trained_on: NDArray[np.int64]) -> bool:
    """Whether these images show every class of the model; a class with one image is never held out."""
    return bool(np.isin(strata[trained_on], strata[rows]).all())


def embed_known(
    predictor: Predictor,
    images: SplitImages,
    rows: NDArray[np.int64],
    *,
    head: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Known:
    """Compute the embeddings of a model's training images, and its novelty score.

    Args:
        rows: which it was trained on; of very many, evenly spaced ones are taken.
        head: as of `fit_novelty`.
    """
    some = rows[:: -(-len(rows) // images_for_novelty(images))]
    embeddings = embed_images(predictor, images.pixels, some)
    score = fit_novelty(embeddings, images.truth.strata[some], components=components_of(images), head=head)
    return Known(rows=some, embeddings=embeddings, score=score)


def components_of(images: SplitImages) -> int | None:
    """Directions that novelty looks at: as many for each fold as for all, where folds set its limit."""
    count = len(images.split.rows("train")) + len(images.split.rows("validation"))
    return components_for_folds(count) if needs_folds(images) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outliers:
    """Negatives that show what is unknown."""

    pixels: NDArray[np.uint8]  # (images, height, width, 3), framed
    kinds: NDArray[np.int64]  # (images,)

    def seen_by(self, predictor: Predictor) -> NDArray[np.float32]:
        """(images, features): their embeddings."""
        return embed_images(predictor, self.pixels, np.arange(len(self.pixels)))

    def known_to(self, score: NoveltyScore, embeddings: NDArray[np.float32]) -> NoveltyScore:
        """The score that knows where they lie; as it was where there are none."""
        return score.knowing(embeddings, self.kinds) if len(embeddings) else score

    def known_with(self, known: Known, embeddings: NDArray[np.float32]) -> Known:
        """What the model knows, with a score that knows where they lie."""
        return replace(known, score=self.known_to(known.score, embeddings))


def find_outliers(images: SplitImages, *, events: Events) -> Outliers:
    """The negatives of the data set that are not kept for the test."""
    assigned = split_negatives(images)
    pixels, kinds = frame_negatives(images, assigned.to_learn)
    if images.dataset.negatives:
        unusable = assigned.unusable + len(assigned.to_learn) - len(pixels)
        rest = f"; {unusable:,} skipped (unreadable or copies)" if unusable else ""
        events.say(f"negatives: {len(pixels):,} to train on, {len(assigned.to_test):,} to test on{rest}")
    return Outliers(pixels=pixels, kinds=kinds)


def cross_fitted(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    *,
    outliers: Outliers,
    seen: NDArray[np.float32],
    components: int | None,
) -> Distances:
    """Both distances of each image by a score that was fitted on the folds that it is not in.

    Args:
        embeddings: (images, features).
        labels: (images,) class index.
        fold_of: (images,) number of the fold.
        outliers: negatives.
        seen: their embeddings.
        components: directions that the score looks at.
    """
    distances = np.zeros((2, len(labels)))
    for fold in np.unique(fold_of):
        held_out = fold_of == fold
        own = fit_novelty(embeddings[~held_out], labels[~held_out], components=components)
        score = outliers.known_to(own, seen)
        distances[:, held_out] = score.both(embeddings[held_out])
    return distances[0], distances[1]


def reference_for(
    done: CalibratedAnswers,
    answers: UnseenAnswers,
    learned: LearnedModel,
    predictor: Predictor,
    *,
    rows: Counts,
    embeddings: Floats | None,
    score: NoveltyScore,
) -> DriftReference | None:
    """What later traffic is compared with, without images that an earlier run of these weights trained on.

    Args:
        predictor: the model file, not calibrated.
        rows: (answers,) images, ascending.
        embeddings: (answers, features) by the model; None: not by the model that is published.
        score: of novelty.
    """
    kept, novelty = not_trained_on(learned, rows), answers.novelty

    def embed(some: Counts) -> Floats:
        if embeddings is not None:
            return np.asarray(embeddings[np.searchsorted(rows, some)])
        return embed_images(predictor, learned.images.pixels, some)

    return make_reference(
        done.fitted.probabilities[kept],
        done.stated_in(replace(predictor.metadata, unfinished=None)),
        basis=answers.basis,
        groups=None if answers.groups is None else answers.groups[kept],
        novelty=novelty[kept] if novelty is not None and len(novelty) == len(kept) else None,
        images=find_unseen(learned, embed=embed, judge=None if embeddings is None else score.of),
    )


def find_unseen(
    learned: LearnedModel, *, embed: Callable[[Counts], Floats], judge: Callable[[Floats], Floats] | None
) -> UnseenImages | None:
    """The calibration images of a run or, where there is no such part, its validation images, as the model sees them.

    Neither part changes a weight of the embedding: validation images choose an epoch, and at most teach a head that
    stands behind it. Images in the train part of the run that the weights come from are left out.

    Args:
        embed: rows to their embeddings by the run's model.
        judge: embeddings of calibration images to their novelty; None where the model cannot tell. Validation images
            may have taught the score what is known, so nothing is said about their novelty.

    Returns:
        None where there are fewer than 20.
    """
    part, rows = unseen_rows(learned)
    if len(rows) < LEAST:
        return None
    rows = rows[thin_out(len(rows))]
    records, framing, embeddings = learned.images.check.records, learned.images.framing, embed(rows)
    return UnseenImages(
        part=part,
        embeddings=embeddings,
        statistics=[statistics_of(learned.images.pixels[row], framing, records[row].size) for row in rows.tolist()],
        groups=number_groups([learned.images.split.groups[row] for row in rows.tolist()]),
        novelty=judge(embeddings) if judge is not None and part == "calibration" else None,
    )


def unseen_rows(learned: LearnedModel) -> tuple[ReferencePart, NDArray[np.int64]]:
    """The images that the network did not learn from, and their part."""
    part: ReferencePart = "calibration" if len(learned.images.split.rows("calibration")) else "validation"
    rows = learned.images.split.rows(part)
    return part, rows[not_trained_on(learned, rows)]


def not_trained_on(learned: LearnedModel, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(rows,) bool: which images are not in the train part of the run that the weights come from."""
    records, trained_on = (
        learned.images.check.records,
        frozenset() if learned.start is None else learned.start.trained_on,
    )
    return np.array([records[row].digest not in trained_on for row in rows.tolist()], np.bool_)
