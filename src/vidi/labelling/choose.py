"""Which images to label next: those that a model knows least, unlike one another, near copies once."""

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.outputs import SOFTMAX, Outputs

POWER = 4  # of the uncertainty, beside the distance: 1 and 2 chase outliers, none at all repeats itself
MOST_ORDERED = 1_000  # images of a review
SMALLEST = 1e-12  # length of an embedding


def uncertainty(probabilities: Floats, *, outputs: Outputs = SOFTMAX) -> NDArray[np.float64]:
    """How little a model knows each image: 1 less the lead of the first class over the second.

    Where each class is a question of its own: the class whose answer is nearest to even odds counts.

    Args:
        probabilities: (batch, classes) float.
        outputs: whether classes exclude each other.

    Returns:
        (batch,) from 0, sure, to 1.

    Source: Scheffer, Decomain and Wrobel 2001, Active hidden Markov models for information extraction (margin).

    >>> uncertainty(np.array([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]])).tolist()
    [0.5, 1.0]
    """
    rows = np.asarray(probabilities, np.float64)
    if outputs != SOFTMAX:
        return np.asarray(1 - np.abs(2 * rows - 1).min(axis=1))
    if rows.shape[1] < 2:
        return np.zeros(len(rows))
    first_two = np.partition(rows, -2, axis=1)[:, -2:]
    return np.asarray(1 - (first_two[:, 1] - first_two[:, 0]))


def choose_images(
    probabilities: Floats,
    *,
    embeddings: Floats | None = None,
    is_strange: NDArray[np.bool_] | None = None,
    outputs: Outputs = SOFTMAX,
    most: int = MOST_ORDERED,
) -> Counts:
    """Order unlabelled images so that the first ones teach most.

    Each next image is the one with the largest product of its uncertainty, to the fourth power, and the distance of its
    embedding's direction from the nearest image before it: a second image of the same doubt teaches little. Strange
    images count as wholly uncertain. Why this product: `docs/decisions/` and `python -m bench choose`.

    Args:
        probabilities: (batch, classes) float.
        embeddings: (batch, features) of the same images; without them the order follows the uncertainty alone.
        is_strange: (batch,) which images are unlike all that the model has learned from; None: not known.
        outputs: whether classes exclude each other.
        most: images that are compared with those before them; the rest follows by uncertainty alone.

    Returns:
        (batch,) int64 row numbers, the most informative first; ties in the order given.

    Raises:
        ShapeError: the arrays do not describe the same images.
    """
    doubt = uncertainty(probabilities, outputs=outputs)
    count = len(doubt)
    if (embeddings is not None and len(embeddings) != count) or (is_strange is not None and len(is_strange) != count):
        raise ShapeError("there is not one embedding and one mark for each row of the probabilities", "Give one each.")
    if is_strange is not None:
        doubt = np.where(is_strange, 1.0, doubt)
    by_doubt = np.argsort(-doubt, kind="stable")
    if embeddings is None or count < 2:
        return np.asarray(by_doubt, np.int64)
    first = _spread_out(doubt**POWER, embeddings, count=min(count, most))
    rest = by_doubt[~np.isin(by_doubt, first)]
    return np.concatenate([first, rest]).astype(np.int64)


def _spread_out(weights: NDArray[np.float64], embeddings: Floats, *, count: int) -> Counts:
    """The first images, one after the other: of great weight, and pointing elsewhere than those before."""
    places = np.asarray(embeddings, np.float32)
    places = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), np.float32(SMALLEST))
    nearest = np.ones(len(places))  # cosine distance to the nearest one before
    chosen = np.zeros(count, np.int64)
    left = np.ones(len(places), np.bool_)
    for step in range(count):
        row = int(np.where(left, weights * np.sqrt(nearest), -1.0).argmax())
        chosen[step], left[row] = row, False
        if step == 0:
            nearest = np.full(len(places), np.inf)
        nearest = np.minimum(nearest, np.maximum(1 - places @ places[row], 0.0))
    return chosen
