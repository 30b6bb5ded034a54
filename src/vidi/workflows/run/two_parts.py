"""The test part of a run compared with its held-out training images."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.answers import TEST, Answers
from vidi.evaluation.guarantees.refuted import as_refuted, hold_to_guarantees
from vidi.evaluation.two_parts import ComparedParts, PartFeatures, Side, compare_parts
from vidi.machine import Deadline
from vidi.metrics.arrays import Floats
from vidi.model_file.limits import Refuted
from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.predictor import Predictor, run_until
from vidi.training.trained import OutOfFoldAnswers
from vidi.workflows.run.learning.learn import LearnedModel
from vidi.workflows.run.prepare import SplitImages

NONE_OF_THEM = "none of the classes"
MOST_EMBEDDED = 400  # images of each part
SHARE_OF_TIME = 0.1  # of what is left
SECONDS_AT_MOST = 20.0


def refuted_by(parts: ComparedParts | None) -> Refuted | None:
    """Return the guarantees to mark as refuted in the model file; None without any."""
    return None if parts is None else as_refuted(parts.refuted)


def rows_to_compare(images: SplitImages, *, seed: int) -> NDArray[np.int64]:
    """Draw the test images whose looks are compared, in the order in which they count."""
    random = np.random.default_rng([seed, 18])
    return random.permutation(images.split.rows("test"))[:MOST_EMBEDDED]


def compare_with_held_out(
    learned: LearnedModel,
    predictor: Predictor,
    answers: Answers,
    *,
    held_out: OutOfFoldAnswers | None,
    until: Deadline | None,
) -> ComparedParts | None:
    """Compare the test images with held-out training images, and find the guarantees that they refute.

    Args:
        predictor: its model file, calibrated.
        answers: what the model file said of the test images, with looks at those of `rows_to_compare`.
        held_out: answers about images that were held out; None: there are none.
        until: when it must be done; None: there is time.
    """
    if held_out is None:
        return None
    tested = answers.only((np.array(answers.parts) == TEST) & (answers.labels >= 0))
    metadata: ModelMetadata = predictor.metadata
    images = learned.images
    return compare_parts(
        _side(images, held_out.rows, held_out.probabilities),
        _side(images, tested.rows, tested.probabilities),
        [*images.dataset.classes, NONE_OF_THEM],
        looks=_looks(
            learned,
            predictor,
            {row: tested.looks[row].embedding for row in tested.rows.tolist() if row in tested.looks},
            until=until,
        ),
        held=hold_to_guarantees(tested, metadata.verdict, metadata.operating_points),
        seed=learned.trained.recipe.seed,
    )


def _side(images: SplitImages, rows: NDArray[np.int64], probabilities: NDArray[np.floating]) -> Side:
    truth = images.truth.at(rows)
    return Side(
        is_correct=truth.correct(np.asarray(probabilities, np.float64)),
        strata=truth.strata,
        groups=tuple(images.split.groups[row] for row in rows.tolist()),
    )


def _looks(
    learned: LearnedModel,
    predictor: Predictor,
    embeddings: Mapping[int, Floats],
    *,
    until: Deadline | None,
) -> PartFeatures | None:
    """Features of some images of both parts; None if all features were trained on these images."""
    images, trained = learned.images, learned.trained
    known = trained.held_out
    random = np.random.default_rng([trained.recipe.seed, 19])
    some_tested = [row for row in rows_to_compare(images, seed=trained.recipe.seed).tolist() if row in embeddings]
    features: NDArray[np.float32]
    if known is not None and known.features is not None:  # of a frozen backbone: no label has touched them
        chosen = random.permutation(len(known.rows))[:MOST_EMBEDDED]
        rows, features = known.rows[chosen], known.features[chosen]
    else:
        rows = images.split.rows("calibration")
        if not len(rows) and trained.combination is None:
            rows = images.split.rows("validation")
        rows = random.permutation(rows)[:MOST_EMBEDDED]
        features = _embed(predictor, images, rows, until=until)
        rows = rows[: len(features)]
    of_test = np.array([embeddings[row] for row in some_tested], np.float32)
    if not len(features) or not len(of_test) or features.shape[1] != of_test.shape[1]:
        return None
    everyone = np.array([*rows.tolist(), *some_tested], np.int64)
    return PartFeatures(
        features=np.concatenate([features, of_test]).astype(np.float64),
        is_test=np.repeat([False, True], [len(rows), len(of_test)]),
        strata=images.truth.at(everyone).strata,
        groups=tuple(images.split.groups[row] for row in everyone.tolist()),
        paths=tuple(images.dataset.images[row].path for row in everyone.tolist()),
    )


def _embed(
    predictor: Predictor, images: SplitImages, rows: NDArray[np.int64], *, until: Deadline | None
) -> NDArray[np.float32]:
    """(images, features): embeddings of as many of the images, in order, as there is time for."""
    allowed = SECONDS_AT_MOST if until is None else min(SECONDS_AT_MOST, SHARE_OF_TIME * until.seconds_left())
    found = list(run_until(predictor, images.pixels, rows, ("embedding",), until=Deadline.after(allowed)))
    return np.concatenate([one["embedding"] for one in found]) if found else np.empty((0, 0), np.float32)
