"""Which known images look like this one to the network."""

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError


def directions(embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """Embeddings (images, features) brought to length 1; one of length 0 stays.

    >>> directions(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    known = embeddings.astype(np.float32)
    lengths = np.linalg.norm(known, axis=1, keepdims=True)
    return np.asarray(known / np.maximum(lengths, np.float32(1e-12)), np.float32)


def nearest(
    embeddings: NDArray[np.floating], query: NDArray[np.float32], *, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows whose embeddings point most nearly where the query's does.

    Directions, not lengths, are compared, as `novelty` does: how much of something there is matters less than what.

    Args:
        embeddings: (images, features) of the known images.
        query: (features,).
        count: how many rows; fewer where there are not so many.

    Returns:
        Row numbers, the most similar first, and their cosine similarities, at most 1.

    Raises:
        ShapeError: the query has another number of features.

    >>> rows, similarity = nearest(np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([0.0, 3.0], np.float32), count=1)
    >>> rows.tolist(), round(float(similarity[0]), 3)
    ([1], 0.707)
    """
    if embeddings.ndim != 2 or query.shape != embeddings.shape[1:]:
        raise ShapeError(
            f"embeddings of shape {embeddings.shape} and a query of shape {query.shape}",
            "Both must come from the same model.",
        )
    # A product of finite numbers at most 1 cannot be invalid; some builds of BLAS raise the flag all the same.
    with np.errstate(invalid="ignore"):
        similarity = directions(embeddings) @ directions(query[None])[0]
    rows = np.argsort(-similarity, kind="stable")[:count]
    return rows, similarity[rows]
