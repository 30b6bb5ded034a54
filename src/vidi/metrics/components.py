"""The directions in which vectors differ most."""

import numpy as np
from numpy.typing import NDArray

from vidi.metrics.arrays import Floats

SMALLEST_SHARE = 1e-10  # of the largest variance: what lies below is rounding


def principal_axes(centred: Floats, count: int) -> NDArray[np.float64]:
    """The first principal axes, those of largest variance first: no more than a few vectors span.

    Worked out among the features or among the vectors, whichever are fewer.

    Args:
        centred: (vectors, features) float, their mean taken off.
        count: how many axes at most.

    Returns:
        (features, axes) float64 of length 1, at right angles to one another.

    >>> np.abs(principal_axes(np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 1)).round(6).tolist()
    [[1.0], [0.0]]
    """
    from scipy.linalg import eigh

    values = centred.astype(np.float64)
    vectors, features = values.shape
    is_wide = vectors < features
    products = values @ values.T if is_wide else values.T @ values
    side = len(products)
    variances, axes = eigh(products, subset_by_index=(max(0, side - count), side - 1))
    variances, axes = variances[::-1], axes[:, ::-1]
    if not is_wide:
        found: NDArray[np.float64] = np.ascontiguousarray(axes)
        return found
    kept = variances > SMALLEST_SHARE * max(float(variances[0]), 0)
    kept[0] = True  # of vectors that are all the same: an axis of length 0
    lengths = np.sqrt(np.maximum(variances[kept], np.finfo(np.float64).tiny))
    spanned: NDArray[np.float64] = values.T @ (axes[:, kept] / lengths)
    return spanned
