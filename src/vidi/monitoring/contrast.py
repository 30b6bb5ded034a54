"""Windows of a stream beside the reference and all that came before them: when each is looked at, by running sums."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vidi.metrics.arrays import Counts, Floats

FIRST = 50  # images; fewer are too few
BLOCK = 10  # images: looks and windows begin and end at multiples of it
SPREAD = 8  # the larger, the more is left for late looks: doubling e has SPREAD / ((e + SPREAD) (e + SPREAD + 1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedLooks:
    """Comparisons of a window of the stream with the reference and all that came before the window."""

    starts: Counts  # (looks,) images before the window
    ends: Counts  # (looks,) images up to its end; rising
    shares: Floats  # (looks,) of the false-alarm rate; those of an endless stream add up to 1


def plan_looks(count: int) -> PlannedLooks:
    """Plan all looks at a stream of `count` images: the same ones however often, and whenever, somebody asks.

    While the stream doubles from n to 2 n images, n = 50, 100, 200 …, it is looked at as a whole every n / 5 images,
    and through each window of 50, 100 … n / 2 latest images whenever a fifth of the window is new. Each doubling has
    its share of the false-alarm rate: half for the whole, half for the windows, which share it evenly.

    >>> looks = plan_looks(120)
    >>> looks.ends.tolist(), looks.starts.tolist()
    ([50, 60, 70, 80, 90, 100, 100, 110, 120, 120], [0, 0, 0, 0, 0, 0, 50, 60, 0, 70])
    """
    starts, ends, shares = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    doubling = 0
    while (begin := FIRST << doubling) <= count:
        share = SPREAD / ((doubling + SPREAD) * (doubling + SPREAD + 1))
        of_whole = share if doubling == 0 else share / 2
        for level in range(doubling + 1):
            is_whole = level == doubling
            step = BLOCK << level
            stops = np.arange(begin, min(count, 2 * begin - 1) + 1, step)
            mine = of_whole if is_whole else share / 2 / doubling
            starts.append(np.zeros_like(stops) if is_whole else stops - (FIRST << level))
            ends.append(stops)
            shares.append(np.full(len(stops), mine / (begin // step)))
        doubling += 1
    order = np.lexsort((np.concatenate(starts), np.concatenate(ends)))
    return PlannedLooks(
        starts=np.concatenate(starts)[order], ends=np.concatenate(ends)[order], shares=np.concatenate(shares)[order]
    )


ROWS_AT_ONCE = 50_000
LEAST_VARIANCE = 1e-12
FAR = 600.0  # a sum of squares
LEAST_EXPECTED = 10  # images of a class; of fewer, the sum of squares has longer tails

Levels = Floats  # (looks, tests): logarithms of p-values
STEPS = 40  # of the bisection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunningSums:
    """Sums of scores over the reference, and over the stream up to every tenth image."""

    size: float  # images of the reference; fewer than there are where they belong together
    own: Floats  # (scores,) as if of so many images
    stream: Floats  # (blocks + 1, scores)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComparedWindows:
    """Sums inside windows and over the whole population: the reference, what came before a window, and the window."""

    size: Floats  # (looks, 1) images inside
    population: Floats  # (looks, 1) images
    inside: Floats  # (looks, scores)
    total: Floats  # (looks, scores)

    def only(self, width: int, part: int) -> "ComparedWindows":
        """One of two parts of the scores, `width` wide each, with its squares, which follow both parts."""
        columns = np.r_[part * width : (part + 1) * width, (2 + part) * width : (3 + part) * width]
        return replace(self, inside=self.inside[:, columns], total=self.total[:, columns])

    def marked(self) -> "ComparedWindows":
        """The marked images alone: the first score is the mark, and the others are 0 without it."""
        return ComparedWindows(
            size=self.inside[:, :1], population=self.total[:, :1], inside=self.inside[:, 1:], total=self.total[:, 1:]
        )


def sum_up(scores_of: Callable[[slice], Floats], count: int) -> Floats:
    """Running sums (blocks + 1, scores) of a stream's scores.

    Args:
        scores_of: rows of the stream to (rows, scores).
        count: images; those after the last whole block are left out.

    >>> sum_up(lambda rows: np.arange(25.0)[rows, None], 25).ravel().tolist()
    [0.0, 45.0, 190.0]
    """
    blocks = count // BLOCK
    parts = [np.zeros((1, scores_of(slice(0, 0)).shape[1]))]
    for start in range(0, blocks * BLOCK, ROWS_AT_ONCE):
        scores = scores_of(slice(start, min(start + ROWS_AT_ONCE, blocks * BLOCK)))
        parts.append(scores.reshape(-1, BLOCK, scores.shape[1]).sum(axis=1, dtype=np.float64))
    return np.cumsum(np.concatenate(parts), axis=0)


def cut_windows(sums: RunningSums, starts: Counts, ends: Counts) -> ComparedWindows:
    """The windows from `starts` to `ends`, (looks,) images each, multiples of ten."""
    first, last = sums.stream[starts // BLOCK], sums.stream[ends // BLOCK]
    return ComparedWindows(
        size=(ends - starts).astype(np.float64)[:, None],
        population=sums.size + ends.astype(np.float64)[:, None],
        inside=last - first,
        total=sums.own + last,
    )


def compare_counts(windows: ComparedWindows) -> Levels:
    """Whether marked images are more or less frequent inside: one test for each score, which is 0 or 1."""
    return chance_of_counts(windows.inside, windows.size, windows.total, windows.population)


def compare_excess(windows: ComparedWindows) -> Levels:
    """Whether marked images are more frequent inside: one test for each score, which is 0 or 1.

    Where what is marked lies above the k-th highest value of the reference, the test is still exact for a window that
    begins with the stream: at least x of its images lie above exactly where at least x of the k + x - 1 highest of all
    are the stream's.
    """
    return chance_of_more(windows.inside, windows.size, windows.total, windows.population)


def compare_mixture(windows: ComparedWindows) -> Levels:
    """Whether the shares of exclusive classes differ inside, all taken together: one test.

    Classes of which fewer than ten images are to be expected inside or outside are taken as one.

    Source: Pearson 1900, On the criterion that a given system of deviations …
    """
    from scipy.special import chdtrc, gammaln

    size, population = windows.size, windows.population
    share = windows.total / population
    is_large = share * np.minimum(size, population - size) >= LEAST_EXPECTED
    inside = np.concatenate([windows.inside, np.where(is_large, 0, windows.inside).sum(axis=1, keepdims=True)], axis=1)
    share = np.concatenate([share, np.where(is_large, 0, share).sum(axis=1, keepdims=True)], axis=1)
    rest = share[:, -1:]
    is_large = np.concatenate([is_large, rest * np.minimum(size, population - size) >= LEAST_EXPECTED], axis=1)
    usual = np.where(is_large, size * share * (population - size) / np.maximum(1, population - 1), 1)
    squares = np.where(is_large, (inside - size * share) ** 2 / usual, 0).sum(axis=1, keepdims=True)
    is_left_out = (rest > 0) & ~is_large[:, -1:]  # then the others' counts have no fixed sum
    freedom = np.maximum(1, is_large.sum(axis=1, keepdims=True) - 1 + is_left_out)
    far = np.maximum(squares, FAR) / 2  # there the leading term is exact, where the function itself underflows
    beyond = -far + (freedom / 2 - 1) * np.log(far) - gammaln(freedom / 2)
    near = np.log(chdtrc(freedom, np.minimum(squares, FAR)))
    found: Levels = np.where(squares < FAR, near, np.minimum(beyond, near))
    return found


def deviations(windows: ComparedWindows) -> Floats:
    """(looks, scores / 2): differences of the means, in standard deviations of a random part of the population.

    The second half of the scores are the squares of the first.
    """
    half = windows.inside.shape[1] // 2
    size, population = windows.size, windows.population
    mean = windows.total[:, :half] / population
    variance = np.maximum(windows.total[:, half:] / population - mean**2, LEAST_VARIANCE)
    spread = np.sqrt(variance * (population - size) / (size * (population - 1)))
    difference = windows.inside[:, :half] / size - mean
    return np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0)  # 0 beside nothing


def compare_means(windows: ComparedWindows) -> Levels:
    """Whether the scores are higher or lower inside: one test for each."""
    return chance_of_deviation(deviations(windows))


def compare_together(windows: ComparedWindows, *, weights: Floats) -> Levels:
    """Whether the scores differ inside, all taken together: one test.

    Args:
        windows: with squares as the second half of the scores.
        weights: (scores / 2,) variances of the scores' principal components, where each score's variance is 1.
    """
    return chance_of_squares((deviations(windows) ** 2).sum(axis=1, keepdims=True), weights)


def weights_of(own: Floats) -> Floats:
    """Variances of the principal components of scores (images, scores) whose own variances are made 1."""
    varying = own[:, own.var(axis=0) > LEAST_VARIANCE]
    if not varying.shape[1]:
        return np.ones(1)
    scaled = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    values: Floats = np.linalg.eigvalsh(scaled.T @ scaled / len(scaled))
    return values[values > LEAST_VARIANCE]


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
    high = chance_of_more(inside, size, total, population)
    low = chance_of_more(total - inside, population - size, total, population)  # few inside are many outside
    found: Floats = np.minimum(0.0, np.minimum(high, low) + np.log(2.0))
    return found


def chance_of_more(inside: Floats, size: Floats, total: Floats, population: Floats) -> Floats:
    """Log p-values of this many marked images in a part, or more: one-sided, otherwise as `chance_of_counts`.

    >>> float(np.exp(chance_of_more(*map(np.array, (4.0, 4.0, 4.0, 8.0)))).round(4))  # 1 / 70
    0.0143
    """
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
