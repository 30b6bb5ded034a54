"""Logarithms of p-values agree with exact tests, and stay finite where the values themselves are too small."""

import numpy as np
import pytest
from scipy import stats

from vidi.monitoring.contrast import chance_of_counts, chance_of_deviation, chance_of_more, chance_of_squares


@pytest.mark.parametrize(("size", "total", "population"), [(50, 20, 5_050), (400, 60, 900), (2_000, 50, 2_300)])
def test_counts_agree_with_fishers_test_and_are_never_too_small(size, total, population):
    law = stats.hypergeom(population, total, size)
    inside = np.arange(max(0, size + total - population), min(size, total) + 1)

    found = np.exp(chance_of_counts(inside.astype(float), size * 1.0, total * 1.0, population * 1.0))

    exact = np.minimum(1.0, 2 * np.minimum(law.sf(inside - 1), law.cdf(inside)))
    seldom = (exact < 0.05) & (exact > 1e-12)
    assert seldom.any()
    assert (found[seldom] >= exact[seldom] * (1 - 1e-9)).all()
    assert (found[seldom] <= exact[seldom] * 1.1).all()


def test_more_images_beyond_a_value_of_the_reference_itself_are_as_rare_as_said():
    """The value is the reference's own 21st highest: how many of 60 others exceed it is beta-binomial."""
    law = stats.betabinom(60, 21, 400 - 21 + 1)
    beyond = np.arange(5, 30)

    found = np.exp(chance_of_more(beyond * 1.0, np.array(60.0), beyond + 20.0, np.array(460.0)))

    exact = law.sf(beyond - 1)
    seldom = (exact < 0.05) & (exact > 1e-9)
    assert (found[seldom] >= exact[seldom] * (1 - 1e-9)).all()
    assert (found[seldom] <= exact[seldom] * 1.1).all()


def test_counts_of_the_expected_size_show_nothing():
    assert np.exp(chance_of_counts(np.array(5.0), np.array(50.0), np.array(50.0), np.array(500.0))) == 1.0


def test_deviations_beyond_all_tables_keep_their_order():
    levels = chance_of_deviation(np.array([-3.0, 50.0, -60.0]))

    assert np.isfinite(levels).all()
    assert levels[0] > levels[1] > levels[2]


def test_equal_weights_give_the_chi_squared_law():
    values = np.array([30.0, 60.0, 120.0])

    assert np.exp(chance_of_squares(values, np.ones(16))) == pytest.approx(stats.chi2.sf(values, 16), rel=0.01)


def test_unequal_weights_agree_with_draws():
    weights = np.array([4.0, 1.0, 1.0, 0.2])
    draws = np.random.default_rng(0).normal(size=(200_000, 4)) ** 2 @ weights

    for value in (15.0, 30.0):
        assert float(np.exp(chance_of_squares(np.array(value), weights))) == pytest.approx(
            float((draws > value).mean()), rel=0.1
        )
