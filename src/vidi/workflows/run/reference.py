"""The drift reference of a run's model: which of its images the network did not learn from, and what they are like."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.guarantees.calibrate import CalibratedAnswers, UnseenAnswers
from vidi.groups import number_groups
from vidi.images.statistics import statistics_of
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.novelty import NoveltyScore
from vidi.model_file.drift_reference import DriftReference, ReferencePart
from vidi.monitoring.reference import LEAST, UnseenImages, make_reference, thin_out
from vidi.prediction.predictor import Predictor, embed_images
from vidi.workflows.run.learning.learn import Learned


def reference_for(
    done: CalibratedAnswers,
    answers: UnseenAnswers,
    learned: Learned,
    predictor: Predictor,
    *,
    rows: Counts,
    embeddings: Floats | None,
    score: NoveltyScore,
) -> DriftReference | None:
    """What later traffic is compared with, without images that an earlier run of these weights trained on.

    Args:
        done: the calibration.
        answers: what it rests on.
        learned: the data and the network.
        predictor: the model file, not calibrated.
        rows: (answers,) images, ascending.
        embeddings: (answers, features) by the model; None: not by the model that is published.
        score: of novelty.
    """
    kept, novelty = not_learnt_before(learned, rows), answers.novelty

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
    learned: Learned, *, embed: Callable[[Counts], Floats], judge: Callable[[Floats], Floats] | None
) -> UnseenImages | None:
    """The calibration images of a run or, where there is no such part, its validation images, as the model sees them.

    Neither part changes a weight of the embedding: validation images choose an epoch, and at most teach a head that
    stands behind it. Images in the train part of the run that the weights come from are left out.

    Args:
        learned: the data and the network.
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


def unseen_rows(learned: Learned) -> tuple[ReferencePart, NDArray[np.int64]]:
    """The images that the network did not learn from, and their part."""
    part: ReferencePart = "calibration" if len(learned.images.split.rows("calibration")) else "validation"
    rows = learned.images.split.rows(part)
    return part, rows[not_learnt_before(learned, rows)]


def not_learnt_before(learned: Learned, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(rows,) bool: which images are not in the train part of the run that the weights come from."""
    records, learnt = learned.images.check.records, frozenset() if learned.start is None else learned.start.trained_on
    return np.array([records[row].digest not in learnt for row in rows.tolist()], np.bool_)
