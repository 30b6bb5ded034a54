"""Several trained networks as one: averaged weights where they hold up, else averaged probabilities."""

import copy
from dataclasses import replace

import pytest
import torch
from tests.training.examples import drawn_data, small_recipe

from vidi.networks.layers import Classifier
from vidi.networks.side_by_side import Ensemble
from vidi.training.combine import average_weights, choose_combination, greedy_soup, renew_statistics
from vidi.training.data import TrainingData
from vidi.training.train import TrainedNetwork, train_network

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


def changed_a_little(trained: TrainedNetwork, *, seed: int, sign: int = 1) -> TrainedNetwork:
    """As after a short fine-tuning: near enough for the mean of the weights to be as good."""
    network = copy.deepcopy(trained.network)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=random) * sign * 0.3 * parameter.std().nan_to_num(0))
    return replace(trained, network=network)


def test_trainings_from_other_seeds_are_averaged_in_their_probabilities(data, trained):
    choice = choose_combination(trained, data, groups=None)

    assert choice.way == "probabilities"
    assert isinstance(choice.network, Ensemble)
    assert sorted(choice.used) == [0, 1, 2]
    assert choice.used[0] == choice.best
    tried = {trial.name: trial for trial in choice.trials}
    assert tried["averaged weights"].accuracy < tried["averaged probabilities"].accuracy
    assert choice.gain.image_count == len(data.validation_rows)


def test_trainings_that_lie_near_one_another_become_one_network(data, trained):
    # On both sides of a good network, each clearly worse than that: their mean is better on every kind of processor.
    near = [changed_a_little(trained[0], seed=0, sign=sign) for sign in (1, -1)]

    choice = choose_combination(near, data, groups=None)

    assert choice.way == "weights"
    assert isinstance(choice.network, Classifier)
    assert sorted(choice.used) == [0, 1]
    tried = {trial.members: trial for trial in choice.trials}
    kept = tried[tuple(index + 1 for index in choice.used)]
    assert kept.log_loss <= tried[(choice.best + 1,)].log_loss


def test_one_good_training_among_bad_ones_is_kept_alone(data, trained):
    bad = [changed_a_little(trained[0], seed=seed) for seed in (1, 2)]
    for one in bad:
        with torch.no_grad():
            one.network.head.weight.neg_().mul_(5)

    choice = choose_combination([bad[0], trained[0], bad[1]], data, groups=None)

    assert (choice.way, choice.used, choice.best) == ("single", (1,), 1)
    assert choice.network is trained[0].network
    assert choice.gain.difference == 0


def test_without_validation_images_probabilities_are_averaged_and_no_gain_is_claimed(data, trained):
    blind = replace(data, validation_rows=data.validation_rows[:0])

    choice = choose_combination(trained, blind, groups=None)

    assert choice.way == "probabilities"
    assert choice.gain is None


def test_the_mean_of_one_network_is_that_network_with_its_statistics_measured_anew(data, trained):
    one = trained[0].network
    mean = average_weights([one, one], data.images, rows=data.train_rows, normalisation=trained[0].normalisation)

    same, other = one.state_dict(), mean.state_dict()
    for name, tensor in same.items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(other[name], tensor)
    seen: dict[str, torch.Tensor] = {}
    name, norm = next((n, m) for n, m in mean.named_modules() if isinstance(m, torch.nn.BatchNorm2d))
    norm.register_forward_pre_hook(lambda _, given: seen.update(mean=given[0].mean(dim=(0, 2, 3))))
    with torch.no_grad():
        mean(trained[0].normalisation.inputs(data.images[data.train_rows]))
    torch.testing.assert_close(seen["mean"], other[f"{name}.running_mean"], atol=1e-4, rtol=1e-4)


def test_of_a_single_image_no_statistics_are_measured(data, trained):
    network = copy.deepcopy(trained[0].network)
    before = copy.deepcopy(network.state_dict())

    renew_statistics(network, data.images, rows=data.train_rows[:1], normalisation=trained[0].normalisation)

    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_greedy_soup_leaves_out_what_makes_it_worse(data, trained):
    losses = {(0,): 0.5, (0, 1): 0.6, (0, 2): 0.4}
    networks = [one.network for one in trained]
    names = {id(network): (index,) for index, network in enumerate(networks)}

    def average(some):
        mean = copy.copy(some[0])
        names[id(mean)] = tuple(index for network in some for index in names[id(network)])
        kept.append(mean)
        return mean

    kept: list[Classifier] = []
    _, chosen = greedy_soup(networks, average=average, loss=lambda network: losses[names[id(network)]])

    assert chosen == [0, 2]
