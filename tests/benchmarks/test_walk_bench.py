"""The walk over CIFAR-10's recipe: every step is a recipe, and a step is scored on images that it has not learned."""

import json

import numpy as np
import pytest
from bench import walk
from tests.draw import draw

from vidi.training.defaults import DataTraits, recipe_for

KINDS = ("disc", "square")


@pytest.mark.parametrize("step", walk.STEPS)
def test_each_step_is_a_recipe_that_differs_from_the_first(step):
    traits = DataTraits(image_count=45_000, class_count=10, usual_size=(32, 32), is_grey=False)
    usual, changed = (recipe_for(traits, changes={**walk.COMMON, **walk.STEPS[one]}) for one in (walk.FIRST, step))
    assert (changed == usual) == (step == walk.FIRST)
    assert changed.options.width == 2


@pytest.mark.slow
def test_a_step_is_scored_on_what_was_held_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(walk, "COMMON", {"epochs": 1, "options.width": 0.25, "views": "both"})
    monkeypatch.setattr(walk, "HELD_OUT", 20)
    images = np.stack([draw(KINDS[number % 2], size=(32, 32), seed=number) for number in range(100)])
    labels = np.arange(100) % 2

    found = walk.measure(walk.FIRST, images, labels, seed=0, folder=tmp_path / "work")
    again = walk.measure(walk.FIRST, images, labels, seed=0, folder=tmp_path / "work")  # from its checkpoint

    assert found["scores"] == again["scores"]
    assert {one["n"] for one in found["scores"].values()} == {20}
    assert found["operations"] > 80 * 1e6
    (tmp_path / f"{walk.FIRST}-0.json").write_text(json.dumps(found | {"epochs": [0.5] * 5}))
    walk.print_table(tmp_path)
    assert f"| {walk.FIRST} | 1 | " in capsys.readouterr().out
