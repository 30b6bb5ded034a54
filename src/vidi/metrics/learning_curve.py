"""How errors fall with the number of images, and what twice as many would bring."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.metrics.intervals import LEVEL

EXPONENTS = np.geomspace(0.1, 1.5, 28)  # of learning curves that were seen so far, with room on both sides
RESAMPLES = 400  # the ends of a 95 % band then rest on 10 each
LEAST_ERROR = 1e-3  # in the weights: below it, one curve point would drown the others
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """An error of `floor + scale * (images / unit) ** -exponent`."""

    floor: float
    scale: float
    exponent: float
    unit: float  # images

    def at(self, images: float) -> float:
        """The error with this many training images.

        >>> PowerLaw(floor=0.1, scale=0.2, exponent=0.5, unit=100).at(400)
        0.2
        """
        return float(self.floor + self.scale * (images / self.unit) ** -self.exponent)


@dataclass(frozen=True, slots=True)
class Gain:
    """How much less the error would be with twice the images."""

    error: float  # with the images that there are, by the law
    value: float  # a share of the images; 0.02 = two points
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """Measured errors, the law through them, and what it says of more images."""

    counts: tuple[float, ...]  # number of training images, ascending
    errors: tuple[float, ...]  # on held-out images, at each count
    law: PowerLaw
    images: int  # that there are
    gain: Gain
    per_class: tuple[Gain | None, ...]  # None where a class has no held-out image
    reach: tuple[tuple[float, float, float, float], ...]  # images, error, and its band, for the figure


def fit_power_law(counts: Array, errors: Array) -> PowerLaw:
    """The law nearest to measured errors, by least squares of relative differences.

    Args:
        counts: (sizes,) number of training images, ascending, at least two.
        errors: (sizes,) shares of wrong answers.

    Returns:
        Floor and scale at least 0, the exponent among `EXPONENTS`.

    Raises:
        ShapeError: fewer than two sizes, or another number of errors.

    Source: Hestness et al. 2017, Deep learning scaling is predictable, empirically.

    >>> law = fit_power_law(np.array([100.0, 200.0, 400.0, 800.0]), np.array([0.3, 0.25, 0.22, 0.2]))
    >>> round(law.at(400), 2), law.at(1600) < 0.2
    (0.22, True)
    """
    if counts.ndim != 1 or counts.shape != errors.shape or len(counts) < 2:
        raise ShapeError(f"{counts.shape} counts have {errors.shape} errors", "Give one error for each of two or more.")
    floors, scales, exponents = _fit(counts, errors[None])
    return PowerLaw(float(floors[0]), float(scales[0]), float(exponents[0]), float(counts[-1]))


def draw_learning_curve(
    counts: Array,
    wrong: Array,
    labels: NDArray[np.int64],
    *,
    groups: NDArray[np.int64],
    class_count: int,
    images: int,
    seed: int = 0,
) -> LearningCurve:
    """The curve through held-out errors, with the band that resampling the held-out images gives.

    Args:
        counts: (sizes,) number of training images, ascending.
        wrong: (held out, sizes) float; the share of draws in which each image was answered wrongly.
        labels: (held out,) int64.
        groups: (held out,) int64; images of one group are resampled together.
        images: that may be used for training in all: the law is read at this number and at twice it.

    Raises:
        ShapeError: the arrays do not describe the same images.
    """
    if len(wrong) != len(labels) or len(labels) != len(groups) or len(labels) == 0:
        raise ShapeError(
            f"{len(wrong)} answers, {len(labels)} labels and {len(groups)} groups", "Give one of each for each image."
        )
    names, group_of = np.unique(groups, return_inverse=True)
    random = np.random.default_rng([seed, 0x1EA])
    resamples = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES).astype(np.float32)
    shares = resamples[:, group_of]  # how often each image is there in each resample
    errors = wrong.mean(axis=0)
    law = fit_power_law(counts, errors)
    again = _fit(counts, _resampled(wrong, shares))
    per_class = []
    for label in range(class_count):
        mine = labels == label
        per_class.append(
            _class_gain(counts, wrong[mine], shares=shares[:, mine], law=law, again=again, images=images)
            if mine.any()
            else None
        )
    return LearningCurve(
        counts=tuple(counts.tolist()),
        errors=tuple(errors.tolist()),
        law=law,
        images=images,
        gain=_gain(law, again, images),
        per_class=tuple(per_class),
        reach=_reach(law, again, least=float(counts[0]), most=2.0 * images),
    )


Fitted = tuple[Array, Array, Array]  # floors, scales and exponents


def _fit(counts: Array, errors: Array) -> Fitted:
    """For each row of errors (rows, sizes) the best law over the exponents."""
    weights = 1 / np.maximum(errors.mean(axis=0), LEAST_ERROR) ** 2
    best = np.full(len(errors), np.inf)
    floors, scales, powers = (np.zeros(len(errors)) for _ in range(3))
    for exponent in EXPONENTS.tolist():
        floor, scale, loss = _fit_at(counts, errors, np.full(len(errors), exponent), weights)
        better = loss < best - 1e-15
        best[better], powers[better] = loss[better], exponent
        floors[better], scales[better] = floor[better], scale[better]
    return floors, scales, powers


def _fit_at(counts: Array, errors: Array, exponents: Array, weights: Array) -> Fitted:
    """Floors, scales and losses for given exponents (rows,): the best of both free, no floor, and nothing but floor."""
    x = (counts / counts[-1]) ** -exponents[:, None]
    mean_x, mean = (values @ weights / weights.sum() for values in (x, errors))
    apart = x - mean_x[:, None]
    slope = ((errors - mean[:, None]) * apart) @ weights / np.maximum(apart**2 @ weights, 1e-12)
    nothing = np.zeros(len(errors))
    laws = ((mean - slope * mean_x, slope), (nothing, (errors * x) @ weights / (x**2 @ weights)), (mean, nothing))
    floors, scales, best = nothing.copy(), nothing.copy(), np.full(len(errors), np.inf)
    for floor, scale in laws:
        loss = ((errors - floor[:, None] - scale[:, None] * x) ** 2) @ weights
        better = (loss < best - 1e-15) & (floor >= 0) & (scale >= 0)
        floors[better], scales[better], best[better] = floor[better], scale[better], loss[better]
    return floors, scales, best


def _resampled(wrong: Array, shares: NDArray[np.float32]) -> Array:
    """(resamples, sizes): mean errors over resampled images; where a resample has none, over all."""
    totals = shares.sum(axis=1)
    means = (shares @ wrong) / np.maximum(totals, 1)[:, None]
    resampled: Array = np.where(totals[:, None] > 0, means, wrong.mean(axis=0))
    return resampled


def _read(fitted: Fitted, unit: float, images: float) -> Array:
    floors, scales, powers = fitted
    read: Array = floors + scales * (images / unit) ** -powers
    return read


def _class_gain(
    counts: Array, wrong: Array, *, shares: NDArray[np.float32], law: PowerLaw, again: Fitted, images: int
) -> Gain:
    """The gain of one class: a floor and a scale of its own, the exponent of all, for its few images tell none."""
    errors = wrong.mean(axis=0)
    weights = 1 / np.maximum(errors, LEAST_ERROR) ** 2
    (floor,), (scale,), _ = _fit_at(counts, errors[None], np.array([law.exponent]), weights)
    floors, scales, _ = _fit_at(counts, _resampled(wrong, shares), again[2], weights)
    own = PowerLaw(float(floor), float(scale), law.exponent, law.unit)
    return _gain(own, (floors, scales, again[2]), images)


def _gain(law: PowerLaw, again: Fitted, images: int) -> Gain:
    gains = _read(again, law.unit, images) - _read(again, law.unit, 2 * images)
    low, high = np.quantile(gains, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = law.at(images) - law.at(2 * images)
    return Gain(error=law.at(images), value=value, low=min(float(low), value), high=max(float(high), value))


def _reach(law: PowerLaw, again: Fitted, *, least: float, most: float) -> tuple[tuple[float, float, float, float], ...]:
    points = []
    for images in np.geomspace(least, most, 24).tolist():
        low, high = np.quantile(_read(again, law.unit, images), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        points.append((images, law.at(images), float(low), float(high)))
    return tuple(points)
