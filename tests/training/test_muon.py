import pytest
import torch
from tests.training.examples import small_recipe

from vidi.errors import UsageError
from vidi.networks.build import build_network
from vidi.networks.options import NetworkOptions
from vidi.training.loop.state import Muon, new_optimizer, orthogonalised, turning_weights


def some_matrix(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (1, 9), (16, 16)])
def test_all_directions_are_made_about_alike_and_none_is_turned(shape):
    matrix = some_matrix(*shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)

    even = orthogonalised(matrix)
    found = torch.diagonal(left.T @ even @ right.T)

    torch.testing.assert_close(left @ torch.diag(found) @ right, even, atol=1e-4, rtol=0)
    assert float(found.max()) < 1.3
    # Small ones are lifted, the smallest of a square matrix not all the way.
    assert (found >= torch.minimum(values / values.max(), torch.tensor(0.6)) - 1e-3).all()


def test_a_step_turns_a_convolution_and_keeps_its_length():
    weight = torch.nn.Parameter(torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(0)))
    optimizer = Muon([{"params": [weight], "turns": True}], lr=0.1, momentum=0.6, dtype=torch.float32)
    weight.grad = torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(1)) * 1e-6
    before = weight.detach().clone()

    optimizer.step()

    length = float(before.norm())  # the step is in proportion to it, however small the gradient is
    assert float((weight.detach() - before).norm()) == pytest.approx(0.1 * length, rel=0.2)
    assert float(weight.detach().norm()) == pytest.approx(length, rel=0.05)


def test_a_rate_of_nearly_nothing_leaves_a_network_as_it_is():
    weight = torch.nn.Parameter(torch.full((4, 2, 3, 3), 7.0))
    optimizer = Muon([{"params": [weight], "turns": True}], lr=1e-8, momentum=0.6, dtype=torch.float32)
    weight.grad = torch.ones_like(weight)

    optimizer.step()

    torch.testing.assert_close(weight.detach(), torch.full((4, 2, 3, 3), 7.0), atol=1e-5, rtol=0)


def test_what_is_not_turned_moves_as_nesterov_moves_it():
    mine, theirs = (torch.nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    muon = Muon([{"params": [mine], "weight_decay": 0.1}], lr=0.1, momentum=0.6, dtype=torch.float32)
    sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.6, nesterov=True, weight_decay=0.1)
    for step in range(4):
        for parameter, optimizer in ((mine, muon), (theirs, sgd)):
            parameter.grad = torch.tensor([0.5, 1.0 - step])
            optimizer.step()

    torch.testing.assert_close(mine, theirs)


def test_every_weight_is_in_one_group():
    network = build_network("compact", image_size=(16, 16), class_count=3, options=NetworkOptions(width=0.25))
    optimizer = new_optimizer(network, small_recipe(optimizer="muon"))

    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    learned = [id(parameter) for parameter in network.parameters() if parameter.requires_grad]

    assert sorted(held) == sorted(learned)
    assert len(turning_weights(network)) == len(optimizer.param_groups[0]["params"]) > 0


@pytest.mark.parametrize(("name", "changes"), [("textbook", {}), ("lite0", {"frozen_batch_norm": True})])
def test_networks_without_normalised_convolutions_are_refused(name, changes):
    network = build_network(name, image_size=(32, 32), class_count=3)

    with pytest.raises(UsageError, match="muon needs a network with batch norm"):
        new_optimizer(network, small_recipe(optimizer="muon", network=name, **changes))
