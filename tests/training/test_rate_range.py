"""The learning-rate range test."""

import math

import numpy as np
import pytest
from tests.training.examples import drawn_data

from vidi.figures.training import draw_rate_range
from vidi.training.rate_range import LARGEST, SMALLEST, find_rate, suggest
from vidi.training.recipe import Recipe

TINY = Recipe(network="dense", image_size=(16, 16), batch=8, precision="float32")


def test_rates_rise_by_one_factor_and_the_suggestion_lies_where_the_loss_falls():
    found = find_rate(drawn_data(), TINY, steps=40)

    ratios = np.array(found.rates[1:]) / np.array(found.rates[:-1])
    np.testing.assert_allclose(ratios, (LARGEST / SMALLEST) ** (1 / 39), rtol=1e-6)
    assert found.rates[0] == SMALLEST
    assert found.suggested is not None
    lowest = 10 + int(np.argmin(found.losses[10:]))
    assert SMALLEST < found.suggested <= found.rates[lowest] * 1.05


def test_it_ends_where_the_loss_blows_up_and_repeats_to_the_bit():
    runs = [find_rate(drawn_data(), TINY, steps=60) for _ in range(2)]

    assert runs[0] == runs[1]
    assert all(map(math.isfinite, runs[0].losses))
    assert len(runs[0].rates) < 60


def test_the_user_can_stop_it():
    found = find_rate(drawn_data(), TINY, steps=40, should_stop=lambda: True)

    assert len(found.rates) == 1
    assert found.suggested is None


@pytest.mark.parametrize("losses", [[], [1.0], [1.0] * 20, list(np.linspace(1, 2, 20))])
def test_no_rate_is_suggested_where_the_loss_falls_nowhere(losses):
    assert suggest([10.0 ** (power / 4) for power in range(len(losses))], losses) is None


def test_the_figure_says_what_it_shows():
    figure = draw_rate_range([1e-3, 1e-2, 1e-1], [2.0, 1.0, 3.0], suggested=0.01, name="one")

    assert "falls fastest at 0.01" in figure
    assert ">0.01<" in figure
    assert "mathdefault" not in figure
    assert "falls nowhere" in draw_rate_range([1e-3, 1e-2], [2.0, 2.0], suggested=None, name="two")
