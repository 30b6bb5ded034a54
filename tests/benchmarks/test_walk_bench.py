"""The walk over CIFAR-10's recipe: every step is a recipe, and a step is scored on images that it has not learned."""

import json

import numpy as np
import pytest
import torch
from bench import walk
from bench.counting.sets import SmallSet
from tests.draw import draw

from vidi.networks.build import build_network
from vidi.networks.options import NetworkOptions
from vidi.training.defaults import recipe_for
from vidi.training.traits import DataTraits

KINDS = ("disc", "square")


@pytest.mark.parametrize("name", walk.STEPS)
def test_each_step_changes_the_recipe_or_what_the_network_answers(name):
    traits = DataTraits(image_count=45_000, class_count=10, usual_size=(32, 32), is_grey=False)
    usual, changed = (
        recipe_for(traits, changes={**walk.COMMON, **walk.STEPS[one].recipe}) for one in (walk.FIRST, name)
    )
    is_other_recipe = changed != usual
    before = answer_of_a_network()
    with walk.STEPS[name].network():
        during = answer_of_a_network()

    assert changed.options.width == 2
    assert (is_other_recipe or during != before) == (name != walk.FIRST)
    assert answer_of_a_network() == before


def answer_of_a_network() -> tuple[float, int]:
    """One number that a small network gives, and how many of its weights learn."""
    network = build_network("compact", image_size=(32, 32), class_count=2, options=NetworkOptions(width=0.25)).eval()
    learned = sum(one.numel() for one in network.parameters() if one.requires_grad)
    with torch.inference_mode():
        return float(network(torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32))[0, 0]), learned


@pytest.mark.integration
def test_a_step_is_scored_on_what_was_held_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(walk, "COMMON", {"epochs": 1, "options.width": 0.25, "views": "both"})
    monkeypatch.setattr(walk, "HELD_OUT", 20)
    images = np.stack([draw(KINDS[number % 2], size=(32, 32), seed=number) for number in range(100)])
    small = SmallSet(images=images, labels=np.arange(100) % 2, training=100)

    found = walk.measure(walk.FIRST, small, seed=0, folder=tmp_path / "work")
    again = walk.measure(walk.FIRST, small, seed=0, folder=tmp_path / "work")  # from its checkpoint

    assert found["scores"] == again["scores"]
    assert {one["n"] for one in found["scores"].values()} == {20}
    assert found["operations"] > 80 * 1e6
    (tmp_path / f"{walk.named(walk.FIRST)}-0.json").write_text(json.dumps(found | {"epochs": [0.5] * 5}))
    walk.print_table(tmp_path)
    assert f"| {walk.FIRST} | 1 | " in capsys.readouterr().out
