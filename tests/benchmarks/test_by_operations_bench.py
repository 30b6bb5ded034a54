"""Accuracy for so many operations: they are not exceeded, and test images are scored that nothing was chosen by."""

import json

import numpy as np
import pytest
from bench import by_operations
from bench.by_operations import ROWS, Row, plan_for
from bench.counting.sets import SmallSet
from tests.draw import draw

from vidi.networks.options import NetworkOptions
from vidi.training.recipe import Recipe

KINDS = ("disc", "square")


def small_set(training: int, test: int, *, size: tuple[int, int] = (32, 32)) -> SmallSet:
    images = np.stack([draw(KINDS[number % 2], size=size, seed=number) for number in range(10)])
    rows = np.arange(training + test) % 10
    return SmallSet(images=images[rows], labels=rows % 2, training=training)


@pytest.mark.parametrize("name", ROWS)
def test_a_plan_uses_most_of_the_operations_and_never_more(name):
    small = small_set(50_000, 1, size=(16, 16))
    operations = ROWS[name].operations / 4  # a quarter of the pixels

    plan = plan_for(operations, small)

    used = plan.images * plan.epochs / by_operations.images_for(operations, plan.width, small)
    assert 0.85 < used <= 1
    assert plan.images <= 50_000 - by_operations.LEAST_HELD_OUT


def test_the_first_epoch_is_done_however_few_operations_there_are():
    plan = plan_for(1e9, small_set(4_000, 1))

    assert plan.epochs == 1
    assert 0 < plan.images < 1_500


@pytest.mark.integration
def test_a_row_is_scored_on_the_test_images(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(by_operations, "LEAST_HELD_OUT", 20)
    monkeypatch.setattr(by_operations, "ROWS", {"drawn": Row(source="drawn", operations=2e10, least=0.1)})
    small = small_set(100, 30)

    found = by_operations.measure("drawn", small, seed=0, folder=tmp_path / "work")
    again = by_operations.measure("drawn", small, seed=0, folder=tmp_path / "work")  # from its checkpoint

    assert found["scores"] == again["scores"]
    assert {one["n"] for one in found["scores"].values()} == {30}
    assert found["operations"] <= 2e10
    assert Recipe.from_dict(found["recipe"]).options == NetworkOptions(width=0.5)
    (tmp_path / "drawn-0.json").write_text(json.dumps(found))
    assert by_operations.print_table(tmp_path) == 0
    assert "| drawn | 0.5 | " in capsys.readouterr().out
