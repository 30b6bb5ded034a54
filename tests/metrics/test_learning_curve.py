"""Learning curves: the law through them, and what it says of more images."""

import numpy as np
import pytest

from vidi.errors import ShapeError
from vidi.metrics.learning_curve import PowerLaw, draw_learning_curve, fit_power_law

COUNTS = np.array([100.0, 200.0, 400.0, 800.0, 1600.0])


def answers(law: PowerLaw, *, images: int, seed: int = 0) -> np.ndarray:
    """Which held-out images are answered wrongly at each count, as often as the law says."""
    chance = np.random.default_rng(seed).random(images)
    return np.stack([chance < law.at(count) for count in COUNTS], axis=1).astype(np.float64)


@pytest.mark.parametrize("law", [PowerLaw(0.05, 0.1, 0.5, 1600), PowerLaw(0.0, 0.2, 0.3, 1600)])
def test_errors_that_follow_a_law_are_met_and_foretold(law: PowerLaw):
    fitted = fit_power_law(COUNTS, np.array([law.at(count) for count in COUNTS]))

    assert fitted.at(800) == pytest.approx(law.at(800), rel=1e-3)
    assert fitted.at(3200) == pytest.approx(law.at(3200), rel=0.01)


def test_errors_that_rise_by_chance_give_a_law_that_never_rises():
    law = fit_power_law(COUNTS, np.array([0.10, 0.11, 0.12, 0.12, 0.13]))

    assert law.scale == 0
    assert law.at(3200) == law.at(100) > 0


def test_the_floor_is_never_negative():
    law = fit_power_law(COUNTS, np.array([0.4, 0.2, 0.1, 0.05, 0.01]))

    assert law.floor >= 0
    assert 0 <= law.at(1e9) < 0.01


def test_one_size_makes_no_law():
    with pytest.raises(ShapeError):
        fit_power_law(np.array([10.0]), np.array([0.1]))


@pytest.mark.slow  # over half a second of processor time: many fits of curves
def test_the_band_holds_the_true_gain_nearly_always():
    law, held = PowerLaw(0.08, 0.08, 0.5, 1600), 0
    truth = law.at(1600) - law.at(3200)
    for seed in range(20):
        wrong = answers(law, images=1500, seed=seed)
        curve = draw_learning_curve(
            COUNTS, wrong, np.zeros(1500, np.int64), groups=np.arange(1500), class_count=1, images=1600, seed=seed
        )
        held += curve.gain.low <= truth <= curve.gain.high

    assert held >= 16


def test_the_class_that_still_learns_gains_most_and_one_without_images_has_no_figure():
    labels = np.repeat([0, 1], 400)
    steep = answers(PowerLaw(0.0, 0.2, 0.6, 1600), images=400)
    flat = answers(PowerLaw(0.1, 0.0, 0.6, 1600), images=400, seed=1)

    curve = draw_learning_curve(
        COUNTS, np.concatenate([steep, flat]), labels, groups=np.arange(800), class_count=3, images=1600
    )

    first, second, absent = curve.per_class
    assert absent is None
    assert first.low > second.high >= second.low == 0


def test_images_of_one_group_count_as_one_and_widen_the_band():
    wrong, labels = answers(PowerLaw(0.08, 0.08, 0.5, 1600), images=100), np.zeros(1000, np.int64)
    ten_times = np.repeat(wrong, 10, axis=0)

    alone, grouped = (
        draw_learning_curve(COUNTS, ten_times, labels, groups=groups, class_count=1, images=1600).gain
        for groups in (np.arange(1000), np.repeat(np.arange(100), 10))
    )

    assert grouped.value == pytest.approx(alone.value)
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_the_figures_line_reaches_from_the_smallest_part_to_twice_the_images():
    wrong = answers(PowerLaw(0.08, 0.08, 0.5, 1600), images=500)

    reach = draw_learning_curve(
        COUNTS, wrong, np.zeros(500, np.int64), groups=np.arange(500), class_count=1, images=2000
    ).reach

    assert reach[0][0] == pytest.approx(100)
    assert reach[-1][0] == pytest.approx(4000)
    assert all(low <= high for _, _, low, high in reach)


def test_arrays_of_other_images_are_refused():
    with pytest.raises(ShapeError):
        draw_learning_curve(
            COUNTS, np.zeros((3, 5)), np.zeros(2, np.int64), groups=np.zeros(3, np.int64), class_count=1, images=9
        )
