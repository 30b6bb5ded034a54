"""How often chance alone separates two parts of one population so far: logarithms of p-values, for many pairs at once.

Logarithms, because the rates that many looks leave to each are small.
"""

import numpy as np

from vidi.metrics.arrays import Floats

STEPS = 40  # of the bisection


def chance_of_counts(inside: Floats, size: Floats, total: Floats, population: Floats) -> Floats:
    """Log p-values, two-sided, of counts of marked images in a part drawn at random from a population (Fisher's test).

    The tail is bounded from above by the geometric series that begins with its first two terms, so it is never too
    small, and too large by a few percent where it matters.

    Args:
        inside: marked images in the part.
        size: images in the part.
        total: marked images in the population.
        population: images. Counts need not be whole.

    Source: Fisher 1935, The logic of inductive inference.

    >>> float(np.exp(chance_of_counts(*map(np.array, (4.0, 4.0, 4.0, 8.0)))).round(4))  # twice 1 / 70
    0.0286
    """
    high = _upper_tail(inside, size, total, population)
    low = _upper_tail(total - inside, population - size, total, population)  # few inside are many outside
    found: Floats = np.minimum(0.0, np.minimum(high, low) + np.log(2.0))
    return found


def chance_of_more(inside: Floats, size: Floats, total: Floats, population: Floats) -> Floats:
    """Log p-values of this many marked images in a part, or more: one-sided, otherwise as `chance_of_counts`.

    >>> float(np.exp(chance_of_more(*map(np.array, (4.0, 4.0, 4.0, 8.0)))).round(4))  # 1 / 70
    0.0143
    """
    return _upper_tail(inside, size, total, population)


def _upper_tail(inside: Floats, size: Floats, total: Floats, population: Floats) -> Floats:
    rest, unmarked = total - inside, population - total - size + inside
    likely = _log_choose(total, inside) + _log_choose(population - total, size - inside) - _log_choose(population, size)
    ratio = rest * (size - inside) / ((inside + 1) * (unmarked + 1))
    falls = np.where(ratio < 1, ratio, 0.0)
    tail: Floats = np.where(ratio < 1, likely - np.log1p(-falls), 0.0)
    return np.minimum(tail, 0.0)


def _log_choose(count: Floats, chosen: Floats) -> Floats:
    from scipy.special import gammaln

    found: Floats = gammaln(count + 1) - gammaln(chosen + 1) - gammaln(count - chosen + 1)
    return found


def chance_of_deviation(deviations: Floats) -> Floats:
    """Log p-values, two-sided, of standard normal deviations.

    >>> float(np.exp(chance_of_deviation(np.array(1.959964))).round(4))
    0.05
    """
    from scipy.special import log_ndtr

    found: Floats = np.log(2.0) + log_ndtr(-np.abs(deviations))
    return np.minimum(found, 0.0)


def chance_of_squares(values: Floats, weights: Floats) -> Floats:
    """Log p-values of weighted sums of squared standard normal numbers; 0 up to a standard deviation above the mean.

    Args:
        values: of any shape.
        weights: (terms,) above 0.

    Source: Kuonen 1999, Saddlepoint approximations for distributions of quadratic forms in normal variables.

    >>> float(np.exp(chance_of_squares(np.array(18.307), np.ones(10))).round(3))
    0.05
    """
    from scipy.special import log_ndtr

    flat = values.ravel().astype(np.float64)
    found = np.zeros(flat.shape)
    mean, variance = weights.sum(), 2 * (weights**2).sum()
    rows = np.flatnonzero(flat > mean + np.sqrt(variance))
    value = flat[rows]
    low, high = np.zeros(len(rows)), np.full(len(rows), 1 / (2 * weights.max()))
    for _ in range(STEPS):
        middle = (low + high) / 2
        below = (weights / (1 - 2 * middle[:, None] * weights)).sum(axis=1) < value
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    shrunk = 1 - 2 * low[:, None] * weights
    cumulant = -0.5 * np.log(shrunk).sum(axis=1)
    curvature = 2 * (weights**2 / shrunk**2).sum(axis=1)
    root = np.sqrt(2 * (low * value - cumulant))
    found[rows] = log_ndtr(-(root + np.log(low * np.sqrt(curvature) / root) / root))
    return found.reshape(values.shape)
