"""The drift bench's rivals agree with independent libraries, and its streams are what the scenario says."""

import json

import numpy as np
import pytest
from bench.drift import NEVER, SCENARIO, better, learn_limits, print_table, summarise
from bench.drifting.disturb import DISTURBANCES, disturb_all, find_strength
from bench.drifting.rivals import KernelReference, discrepancy, median_width, smirnov
from bench.drifting.streams import mix
from scipy.stats import ks_2samp, kstwobign


def test_kolmogorov_smirnov_agrees_with_scipy_ties_included():
    random = np.random.default_rng(0)
    reference, stream = random.integers(0, 30, 200).astype(float), random.integers(0, 33, 300).astype(float)

    found = smirnov([reference], [stream], [100, 500])

    for window, look, rows in ((100, 2, slice(200, 300)), (500, 1, slice(0, 200))):
        size = rows.stop - rows.start
        gap = ks_2samp(reference, stream[rows]).statistic
        expected = -np.log(kstwobign.sf(gap * np.sqrt(size * 200 / (size + 200))))
        assert found[window][look] == pytest.approx(expected)


def test_mmd_agrees_with_its_definition():
    random = np.random.default_rng(1)
    reference, stream = random.normal(size=(80, 4)), random.normal(size=(300, 4)) + 0.3
    width = median_width(reference)

    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.exp(-((first[:, None] - second[None]) ** 2).sum(axis=-1) / (2 * width**2))

    found = discrepancy(KernelReference.of(reference), stream, [200])[200][2]

    latest = stream[100:]
    own = (kernel(reference, reference).sum() - 80) / (80 * 79)
    theirs = (kernel(latest, latest).sum() - 200) / (200 * 199)
    expected = (own + theirs - 2 * kernel(reference, latest).mean()) * 80 * 200 / 280
    assert found == pytest.approx(expected, rel=1e-3)


def test_special_images_come_after_the_onset_alone_and_none_comes_twice():
    rows = mix(np.arange(1_000), np.arange(1_000, 1_400), 0.3, onset=200, count=900, random=np.random.default_rng(2))

    assert rows[:200].max() < 1_000
    assert (rows[200:] >= 1_000).mean() == pytest.approx(0.3, abs=0.06)
    assert len(np.unique(rows)) == 900


def test_bisection_finds_the_strength_and_says_where_none_is_enough():
    assert find_strength(lambda strength: 40 * strength, 10, tolerance=0.01) == pytest.approx(0.25, abs=0.001)
    assert find_strength(lambda strength: 4 * strength, 10, tolerance=0.01) == 1.0


@pytest.mark.parametrize("drift", DISTURBANCES)
def test_a_drift_changes_images_by_its_strength_and_the_same_way_each_time(drift):
    images = np.random.default_rng(3).integers(0, 255, (2, 32, 32, 3), np.uint8)
    how = DISTURBANCES[drift]

    weak, strong = (disturb_all(images, how, strength, seed=4) for strength in (0.1, 0.8))

    assert disturb_all(images, how, 0, seed=4) is images
    assert np.array_equal(weak, disturb_all(images, how, 0.1, seed=4))
    assert np.abs(weak - images.astype(float)).mean() < np.abs(strong - images.astype(float)).mean()


def test_a_hundredth_of_undisturbed_streams_exceeds_a_rivals_limit():
    limit = learn_limits([{"KS 100": float(number)} for number in range(300)], 0.01)["KS 100"]

    assert sum(number > limit for number in range(300)) == 3


def test_the_best_window_of_a_rival_counts():
    row = summarise({"KS 100": [NEVER, NEVER, 100], "KS 500": [300, 400, NEVER], "vidi": [50, 50, 60]})

    assert better(row, "KS") == row["KS 500"]
    assert row["KS 500"]["median_delay"] == 400
    assert row["KS 100"]["median_delay"] is None


def test_the_scenario_names_every_drift_that_is_made():
    scenario = json.loads(SCENARIO.read_text())

    assert set(DISTURBANCES) < set(scenario["drifts"])
    assert scenario["costs"] == [1, 2, 5, 10, 20]


def test_a_table_says_what_was_not_measured(capsys):
    cell = {"noticed": 100, "of": 100, "median_delay": 50.0, "late_delay": 60.0}

    print_table({"blur": {"5": {"0": {"vidi": cell, "KS 100": cell, "MMD 100": cell}}}}, 0, [5, 10])

    assert capsys.readouterr().out.splitlines()[-2:] == [
        "| blur | 5 | 100, 50 | 100, 50 | 100, 50 |",
        "| blur | 10 | not measured | | |",
    ]
