"""The simulated year: traffic drifts as the scenario says, and three ways of keeping a model part as they should."""

from dataclasses import replace

import numpy as np
import pytest
from bench.year import interval
from bench.yearly.images import CLASSES, as_in_month, draw_traffic
from bench.yearly.scenario import SCENARIO
from bench.yearly.simulate import live, opinions_of, split_base

SMALL = replace(SCENARIO, base_images=400, labels=40, fifth_labels=17)


def test_the_drift_begins_in_its_month_and_is_whole_in_the_last():
    assert [round(SCENARIO.drift(month), 2) for month in (1, 3, 4, 12)] == [0, 0, 0.11, 1]

    white = np.full((1, 32, 32, 3), 200, np.uint8)
    assert as_in_month(white, 3, SCENARIO) is white
    assert as_in_month(white, 12, SCENARIO).max() == 90  # 200 x 0.45


def test_traffic_holds_the_new_class_from_its_month_on_and_no_image_twice():
    labels, free = np.arange(5_000) % 10, np.ones(5_000, np.bool_)
    random = np.random.default_rng(0)

    drawn = [draw_traffic(labels, free, 200, month, scenario=SCENARIO, random=random) for month in (1, 6, 7, 12)]

    assert [int((labels[rows] == 9).sum()) for rows in drawn] == [0, 0, 20, 20]
    assert len(set(np.concatenate(drawn).tolist())) == 800


def test_the_hostile_source_is_wrong_each_time_and_the_reviewers_never():
    labels = np.arange(57) % 10
    said = opinions_of(np.arange(57), labels, 1, hostile=True, scenario=SMALL)

    wrong = [CLASSES[label] != one.labels[0] for label, one in zip(labels.tolist(), said, strict=True)]
    assert wrong == [False] * 40 + [True] * 17
    assert {one.via for one in said[40:]} == {"server"}


def test_the_interval_is_as_wide_as_years_and_images_make_it():
    same = interval(np.ones((3, 50)))
    apart = interval(np.arange(2)[:, None] * np.ones((2, 50)))

    assert (same["low"], same["high"]) == (1, 1)
    assert (apart["low"], apart["high"]) == (0, 1)


@pytest.mark.integration  # some 50 heads
def test_a_year_of_made_features_learns_what_is_new_and_keeps_off_a_hostile_source():
    random = np.random.default_rng(0)
    centres = 3 * np.eye(10, 20)

    def made(count: int, month: int) -> tuple[np.ndarray, np.ndarray]:
        labels = random.integers(10 if month >= SMALL.new_from else 9, size=count)
        moved = centres[labels] + 4 * SMALL.drift(month) * np.eye(20)[19]
        return (moved + random.normal(size=(count, 20))).astype(np.float32), labels

    base, labels = made(SMALL.base_images, 0)
    months = []
    for month in range(1, 13):
        features, shown = made(SMALL.labels + SMALL.fifth_labels, month)
        months.append((np.arange(len(shown)) + 1_000 * month, features, shown))
    traffic = [made(300, month) for month in range(1, 13)]

    ways = live(split_base(np.arange(len(labels)), base, labels), months, traffic, hostile=True, scenario=SMALL)

    last = {name: float(kept.right[-1].mean()) for name, kept in ways.items()}
    assert last["loop"] > last["frozen"] + 0.03  # a tenth of the traffic is new
    assert "promoted" in ways["loop"].decisions
