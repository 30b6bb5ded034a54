"""Two sets of images from one source, and from two: correct answers class by class, and features."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from vidi.evaluation.two_parts import lower_by_chance, measure_separation
from vidi.metrics.conformal import coverage_band, coverage_by_chance
from vidi.metrics.intervals import failures_by_chance


def chance_of(is_correct, is_second, *, strata=None, groups=None):
    count = len(is_correct)
    return lower_by_chance(
        np.asarray(is_correct, bool),
        np.asarray(is_second, bool),
        strata=np.zeros(count, np.int64) if strata is None else np.asarray(strata),
        groups=np.arange(count) if groups is None else np.asarray(groups),
        random=np.random.default_rng(0),
    )


def test_in_one_class_it_is_fishers_exact_test():
    is_second = np.repeat([False, True], [40, 20])
    is_correct = np.r_[np.ones(35), np.zeros(5), np.ones(11), np.zeros(9)]

    expected = fisher_exact([[11, 9], [35, 5]], alternative="less").pvalue

    assert chance_of(is_correct, is_second) == pytest.approx(expected)


def test_another_mixture_of_classes_explains_nothing():
    strata = np.r_[np.zeros(90), np.ones(10), np.zeros(10), np.ones(90)].astype(int)
    is_second = np.repeat([False, True], 100)
    is_correct = strata == 0  # one class is always right, the other never

    assert chance_of(is_correct, is_second, strata=strata) == 1.0
    assert chance_of(is_correct, is_second) < 1e-9


def test_images_of_one_group_count_once():
    is_second = np.repeat([False, True], 60)
    is_correct = np.r_[np.ones(60), np.ones(40), np.zeros(20)]

    assert chance_of(is_correct, is_second) < 0.001
    assert chance_of(is_correct, is_second, groups=np.arange(120) // 20) > 0.3


def test_groups_dealt_by_lot_agree_with_the_exact_chance():
    random = np.random.default_rng(3)
    is_correct, is_second, strata = random.random(80) < 0.7, np.arange(80) >= 50, random.integers(0, 3, 80)
    exact = chance_of(is_correct, is_second, strata=strata)

    assigned = chance_of(
        np.r_[is_correct, is_correct[:1]],
        np.r_[is_second, is_second[:1]],
        strata=np.r_[strata, strata[:1]],
        groups=np.r_[np.arange(80), 0],  # one pair hangs together: then the parts are assigned, not counted
    )

    assert assigned == pytest.approx(exact, abs=0.08)


def test_without_a_class_in_both_sets_nothing_is_shown():
    assert chance_of([1, 1, 0, 0], [0, 0, 1, 1], strata=[0, 0, 1, 1]) == 1.0


def features(images, *, shift=0.0, seed=0):
    random = np.random.default_rng(seed)
    labels, is_second = random.integers(0, 3, images), np.arange(images) % 3 == 0
    places = random.normal(size=(images, 24)) + labels[:, None] * random.normal(size=24)
    places[is_second] += shift * random.normal(size=24)
    return places, is_second, labels


def told(places, is_second, labels, groups=None):
    groups = np.arange(len(labels)) if groups is None else groups
    return measure_separation(places, is_second, strata=labels, groups=groups, random=np.random.default_rng(1))


def test_sets_that_look_different_are_told_apart_and_their_loudest_images_named():
    places, is_second, labels = features(240, shift=0.8)

    found = told(places, is_second, labels)

    assert found.p_value < 0.001
    assert found.area > 0.8 > found.by_chance
    assert found.loudness[is_second].mean() > found.loudness[~is_second].mean()


def test_sets_of_one_source_are_not_told_apart():
    found = told(*features(240))

    assert found.p_value > 0.05
    assert 0.3 < found.area < found.by_chance


def test_another_mixture_of_classes_is_no_difference_in_looks():
    random = np.random.default_rng(0)
    labels = np.r_[np.zeros(90), np.ones(30), np.zeros(30), np.ones(90)].astype(int)
    places = random.normal(size=(240, 8)) + 5 * labels[:, None]

    found = told(places, np.repeat([False, True], 120), labels)

    assert found.p_value > 0.05
    assert (found.first_count, found.second_count) == (60, 60)


def test_a_few_groups_of_look_alikes_show_less_than_as_many_images():
    random = np.random.default_rng(0)
    groups = np.arange(240) // 12
    places = random.normal(size=(20, 8))[groups] + 0.1 * random.normal(size=(240, 8))
    is_second, labels = groups % 2 == 0, np.zeros(240, np.int64)

    assert told(places, is_second, labels).p_value < 0.01  # each image as its own: the groups are recognised
    assert told(places, is_second, labels, groups).p_value > 0.01


def test_too_few_images_say_nothing():
    assert told(*features(18)) is None


@pytest.mark.parametrize(("failures", "expected"), [(0, 1.0), (1, 1 - 0.95**10), (10, 0.05**10)])
def test_failures_beyond_what_is_allowed_have_the_binomial_chance(failures, expected):
    assert failures_by_chance(failures, 10, allowed=0.05) == pytest.approx(expected)


def test_coverage_below_the_band_has_a_small_chance():
    band = coverage_band(500, 200, coverage=0.9)

    assert coverage_by_chance(band.low * 200 - 1, 200, 500, coverage=0.9) < 0.025
    assert coverage_by_chance(0.9 * 200, 200, 500, coverage=0.9) > 0.4
    assert coverage_by_chance(0, 0, 500, coverage=0.9) == 1.0
