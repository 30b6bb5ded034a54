from dataclasses import replace

import numpy as np
import pytest
from tests.training.examples import drawn_data, small_recipe

from vidi.networks.options import NetworkOptions
from vidi.training import width
from vidi.training.width import fit_width

OPEN = small_recipe(options=NetworkOptions(), epochs=1_000)
MANY = replace(drawn_data(), train_rows=np.zeros(20_000, np.int64))


@pytest.fixture(autouse=True)
def _no_steps(monkeypatch):
    """Seconds for an image at the usual width are said, not measured."""
    monkeypatch.setattr(width, "seconds_per_image", lambda *_, **__: 0.001)


@pytest.mark.parametrize(("seconds", "expected"), [(5, 0.5), (150, 1.0), (2_000, 2.0)])
def test_more_time_makes_the_network_wider(seconds, expected):
    recipe, needed = fit_width(OPEN, MANY, seconds_left=seconds)

    assert recipe.options.width == expected
    assert (needed > 0.001) == (expected > 1)
    assert recipe.sources["options.width"].startswith("measured: time for about")


def test_the_other_options_stay():
    grey = OPEN.changed({"options.grey": True}, source="data")

    assert fit_width(grey, MANY, seconds_left=150)[0].options == NetworkOptions(grey=True, width=1.0)


def test_few_images_get_no_wider_network_than_the_usual():
    assert fit_width(OPEN, drawn_data(), seconds_left=2_000)[0].options.width == 1.0


def test_few_epochs_make_no_wider_network_either():
    recipe, _ = fit_width(OPEN.changed({"epochs": 1}, source="you"), MANY, seconds_left=2_000)

    assert recipe.options.width == 1.0


def test_what_is_given_stays():
    wanted = OPEN.changed({"options.width": 0.25}, source="you")
    begun = replace(drawn_data(), initial=lambda _: {"head.bias": np.zeros(3)})

    assert fit_width(wanted, MANY, seconds_left=2_000)[0] == wanted
    assert fit_width(OPEN, begun, seconds_left=2_000)[0] == OPEN
    textbook = OPEN.changed({"network": "textbook", "optimizer": "adam"}, source="you")
    assert fit_width(textbook, MANY, seconds_left=2_000)[0] == textbook


def test_a_step_is_timed_with_the_layers_that_learn_alone(monkeypatch):
    learning = []

    def seconds_per_image(network, *_, **__):
        learning.append([one.requires_grad for one in network.parameters()])
        return 0.001

    monkeypatch.setattr(width, "seconds_per_image", seconds_per_image)
    for count in (0, 6):
        fit_width(OPEN.changed({"frozen_layers": count}, source="you"), drawn_data(), seconds_left=100)

    whole, some = map(sum, learning)
    assert 0 < some < whole
