import numpy as np
import pytest
from scipy.stats import fisher_exact

from vidi.evaluation.slices import adjust_for_multiplicity, worse_by_chance


def test_independent_images_are_judged_by_fishers_exact_test():
    random = np.random.default_rng(0)
    right, inside = random.random(80) < 0.7, random.random(80) < 0.3
    table = [[(right & side).sum(), (~right & side).sum()] for side in (inside, ~inside)]

    assert worse_by_chance(right, inside, np.arange(80)) == pytest.approx(fisher_exact(table, "less").pvalue)


def test_alarms_among_groups_are_as_rare_as_they_say():
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 8)
    alarms = 0
    for _ in range(200):
        inside = (random.permutation(60) < 20)[groups]
        right = (random.random(60) < 0.6)[groups] ^ (random.random(480) < 0.1)  # a group stands or falls together
        alarms += worse_by_chance(right, inside, groups) < 0.05

    assert alarms <= 18  # 10 expected at most; 18 is passed once in a hundred times


def test_a_clear_difference_between_groups_is_seen():
    groups = np.repeat(np.arange(60), 8)
    inside = groups < 20
    right = np.where(inside, np.arange(480) % 2 == 0, np.arange(480) % 10 > 0)

    assert worse_by_chance(right, inside, groups) < 0.005
    assert worse_by_chance(right, ~inside, groups) > 0.99


def test_where_all_inside_are_wrong_and_all_others_right_the_groups_are_counted():
    groups = np.repeat(np.arange(8), 50)
    inside = groups < 4

    assert worse_by_chance(~inside, inside, groups) == pytest.approx(1 / 70)  # four groups of eight


def test_chances_are_adjusted_as_statsmodels_would():
    assert adjust_for_multiplicity([0.01, 0.02, 0.2, 0.03]).tolist() == pytest.approx([0.04, 0.06, 0.2, 0.06])
    assert adjust_for_multiplicity([]).tolist() == []
    assert adjust_for_multiplicity([0.9, 0.8]).tolist() == [1.0, 1.0]
