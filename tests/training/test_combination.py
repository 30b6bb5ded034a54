"""Several trained networks as one: averaged probabilities, or the best single one where that is better."""

import copy
from dataclasses import replace

import pytest
import torch
from tests.training.examples import drawn_data, small_recipe

from vidi.networks.side_by_side import Ensemble
from vidi.training.combination import Choice, choose_combination
from vidi.training.data import TrainingData
from vidi.training.train import train_network
from vidi.training.trained import TrainedNetwork

pytestmark = pytest.mark.slow  # trains, although only for seconds


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return drawn_data(each=24)


@pytest.fixture(scope="module")
def trained(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> list[TrainedNetwork]:
    recipe = small_recipe(epochs=12)
    return [
        train_network(data, recipe.changed({"seed": seed}, source="test"), folder=tmp_path_factory.mktemp("member"))
        for seed in range(3)
    ]


def combined(trained: list[TrainedNetwork], data: TrainingData) -> Choice:
    networks = [one.single for one in trained]
    return choose_combination(networks, data, normalisation=trained[0].normalisation, groups=None)


def often_wrong(trained: TrainedNetwork) -> TrainedNetwork:
    network = copy.deepcopy(trained.single)
    with torch.no_grad():
        network.head.weight.neg_().mul_(5)
    return replace(trained, network=network)


def test_trainings_from_other_seeds_are_averaged_in_their_probabilities(data, trained):
    choice = combined(trained, data)

    assert choice.way == "probabilities"
    assert isinstance(choice.network, Ensemble)
    assert sorted(choice.used) == [0, 1, 2]
    assert choice.used[0] == choice.best
    tried = {trial.name: trial for trial in choice.trials}
    assert tried["averaged probabilities"].members == tuple(index + 1 for index in choice.used)
    assert choice.gain.image_count == len(data.validation_rows)


def test_one_good_training_among_bad_ones_is_kept_alone(data, trained):
    choice = combined([often_wrong(trained[1]), trained[0], often_wrong(trained[2])], data)

    assert (choice.way, choice.used, choice.best) == ("single", (1,), 1)
    assert choice.network is trained[0].network
    assert choice.gain.difference == 0


def test_without_validation_images_probabilities_are_averaged_and_no_gain_is_claimed(data, trained):
    blind = replace(data, validation_rows=data.validation_rows[:0])

    choice = combined(trained, blind)

    assert choice.way == "probabilities"
    assert choice.gain is None
