"""ComparedWindows are compared as independent libraries compare two samples."""

import numpy as np
import pytest
from scipy import stats

from vidi.monitoring.contrast import RunningSums, compare_counts, compare_means, compare_mixture, cut_windows, sum_up

START, END = np.array([40]), np.array([90])


def windows_of(own: np.ndarray, stream: np.ndarray):
    sums = RunningSums(size=float(len(own)), own=own.sum(axis=0), stream=sum_up(lambda rows: stream[rows], len(stream)))
    return cut_windows(sums, START, END)


def test_means_of_ranks_are_wilcoxons_test():
    values = np.random.default_rng(1).integers(0, 30, 290).astype(float)
    ranks = stats.rankdata(values)[:, None] / 290
    scores = np.concatenate([ranks, ranks**2], axis=1)
    own, stream = scores[:200], scores[200:]

    found = np.exp(compare_means(windows_of(own, stream)))[0, 0]

    inside, outside = values[200:][40:90], np.concatenate([values[:200], values[200:240]])
    exact = stats.mannwhitneyu(inside, outside, method="asymptotic", use_continuity=False).pvalue
    assert found == pytest.approx(exact, rel=1e-6)


def test_shares_of_classes_taken_together_are_pearsons_test():
    labels = np.random.default_rng(2).integers(0, 3, 290)
    marks = np.eye(3)[labels]

    found = np.exp(compare_mixture(windows_of(marks[:200], marks[200:])))[0, 0]

    inside, outside = marks[240:290].sum(axis=0), marks[:240].sum(axis=0)
    statistic = stats.chi2_contingency([inside, outside], correction=False).statistic * 289 / 290
    assert found == pytest.approx(stats.chi2.sf(statistic, 2), rel=1e-6)


def test_rare_classes_are_taken_as_one():
    rare = np.eye(4)[np.array([0, 1] * 140 + [2, 3] * 5)]
    shuffled = np.random.default_rng(3).permutation(rare)

    assert np.isfinite(compare_mixture(windows_of(shuffled[:200], shuffled[200:]))).all()


def test_a_window_with_nothing_beside_it_shows_nothing():
    stream = np.random.default_rng(4).random((90, 2))
    sums = RunningSums(size=0.0, own=np.zeros(2), stream=sum_up(lambda rows: stream[rows], 90))
    alone = cut_windows(sums, np.array([0]), np.array([90]))

    assert compare_means(alone).tolist() == [[0.0]]
    assert compare_counts(alone).max() == 0.0
    assert compare_mixture(alone).tolist() == [[0.0]]
