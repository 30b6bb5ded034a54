"""Several tests at once: what is still shown when all are counted."""

import numpy as np
import pytest

from vidi.metrics.intervals import shown_together
from vidi.metrics.paired import sign_test


def test_without_discreteness_it_is_holms_procedure():
    random = np.random.default_rng(0)

    for _ in range(200):
        values = random.beta(0.3, 3, 6)
        # Holm by adjusted p-values: the running maximum of (count - rank) x value.
        order = np.argsort(values)
        adjusted = np.maximum.accumulate(values[order] * np.arange(6, 0, -1))

        shown = shown_together(values.tolist(), [0.0] * 6, chance=0.05)

        assert shown[order].tolist() == (adjusted <= 0.05).tolist()


def test_classes_that_could_show_nothing_do_not_count_against_the_others():
    silent = [1.0] * 99

    assert shown_together([0.01, *silent], [0.001, *silent], chance=0.05)[0]
    assert not shown_together([0.01, *silent], [0.0] * 100, chance=0.05).any()


def test_of_none_none_is_shown():
    assert shown_together([], [], chance=0.05).tolist() == []


@pytest.mark.parametrize("apart", [(7, 7, 7), (5, 9, 14), (8, 1, 2)])
def test_equals_are_called_different_in_at_most_the_promised_share_of_cases(apart: tuple[int, ...]):
    """Exactly: every way in which fair coins can fall, weighed by its chance."""
    from itertools import product
    from math import comb

    mistaken = 0.0
    for wins in product(*(range(count + 1) for count in apart)):
        weight = np.prod([comb(count, won) / 2**count for count, won in zip(apart, wins, strict=True)])
        values = [sign_test(count - won, won) for count, won in zip(apart, wins, strict=True)]
        if shown_together(values, [sign_test(0, count) for count in apart], chance=0.05).any():
            mistaken += weight

    assert 0 < mistaken <= 0.05
