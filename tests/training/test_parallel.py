"""Several processes train as one does: the same gradients, weights and figures, whatever their number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.examples import drawn_data, small_recipe
from tests.training.together import Together, all_together
from torch import nn

from vidi.errors import GateError, ResourceError, UsageError
from vidi.training.loop import loop
from vidi.training.loop.checkpoint import decode
from vidi.training.loop.progress import Progress
from vidi.training.parallel.batch_norm import SummedBatchNorm, require_shareable
from vidi.training.parallel.gloo import GlooGroup
from vidi.training.parallel.group import GroupBrokenError
from vidi.training.parallel.news import News
from vidi.training.recipe import Recipe
from vidi.training.train import TrainedNetwork, train_network

UNEVEN = np.split(np.arange(7), [1, 4])  # images of each process


def trained(folder: Path, recipe: Recipe, count: int, **changes: object) -> TrainedNetwork:
    """What some processes train; 0 for the plain loop."""
    data = replace(drawn_data(), **changes)
    place = folder / f"{count}"
    return (
        train_network(data, recipe, folder=place, trainer=Together(count))
        if count
        else train_network(data, recipe, folder=place)
    )


ROUNDING = 1e-2  # between sums in another order, after all steps of these trainings; other images differ by far more


def assert_alike(one: TrainedNetwork, other: TrainedNetwork, *, within: float) -> None:
    """Weights and figures agree."""
    for name, tensor in one.network.state_dict().items():
        np.testing.assert_allclose(other.network.state_dict()[name], tensor, atol=within, rtol=within, err_msg=name)
    for row, same in zip(one.history, other.history, strict=True):
        assert same.train_loss == pytest.approx(row.train_loss, rel=10 * within)
        assert same.validation_loss == pytest.approx(row.validation_loss, rel=10 * within)
        assert (same.epoch, same.train_accuracy) == (row.epoch, row.train_accuracy)


def test_batch_norm_over_uneven_shares_is_that_of_the_whole_batch():
    torch.manual_seed(0)
    inputs, wanted = torch.randn(7, 3, 4, 5) * 3 + 100, torch.randn(7, 3, 4, 5)
    plain = nn.BatchNorm2d(3)
    whole = inputs.clone().requires_grad_()
    expected = plain(whole)
    (expected * wanted).sum().backward()

    def share(group: GlooGroup) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, SummedBatchNorm]:
        summed = SummedBatchNorm(nn.BatchNorm2d(3), group)
        own = inputs[UNEVEN[group.rank]].clone().requires_grad_()
        outputs = summed(own)
        (outputs * wanted[UNEVEN[group.rank]]).sum().backward()
        return outputs.detach(), own.grad, group.add_up(summed.weight.grad.clone()), summed

    shares = all_together(3, share)

    torch.testing.assert_close(torch.cat([outputs for outputs, *_ in shares]), expected.detach(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat([one[1] for one in shares]), whole.grad, atol=1e-4, rtol=1e-4)
    for _, _, of_weight, summed in shares:
        torch.testing.assert_close(of_weight, plain.weight.grad, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(summed.running_mean, plain.running_mean)
        torch.testing.assert_close(summed.running_var, plain.running_var, rtol=1e-4, atol=1e-4)


def test_the_gradients_of_a_step_are_those_of_one_process(tmp_path: Path):
    recipe = small_recipe(
        batch=36, epochs=1, momentum=0.9, weight_decay=0.0
    )  # one step, whose momentum is its gradient
    data, momenta = drawn_data(), []
    for count in (1, 2, 3):
        together = Together(count)
        train_network(data, recipe, folder=tmp_path / str(count), trainer=together)
        tensors = decode(together.ends[0], name="end").tensors
        momenta.append({name: tensors[name] for name in tensors if "momentum" in name})

    assert len(momenta[0]) > 5
    for others in momenta[1:]:
        for name, gradient in momenta[0].items():
            torch.testing.assert_close(others[name], gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_processes_and_one_agree_on_the_weights(tmp_path: Path, count: int):
    recipe = small_recipe(batch=10)  # which neither two nor three share evenly for long

    plain, together = trained(tmp_path, recipe, 0), trained(tmp_path, recipe, count)

    assert_alike(plain, together, within=ROUNDING)


def test_they_agree_with_weighted_images_and_classes_and_another_optimizer(tmp_path: Path):
    recipe = small_recipe(batch=9, optimizer="muon", learning_rate=0.05, class_weights="balanced", epochs=2)
    weights = np.where(np.arange(48) % 5 == 0, 3.0, 1.0)

    plain, together = (trained(tmp_path, recipe, count, weights=weights) for count in (0, 2))

    assert_alike(plain, together, within=ROUNDING)


def test_every_process_ends_with_the_same_bits(tmp_path: Path):
    together = Together(3)
    train_network(drawn_data(), small_recipe(), folder=tmp_path, trainer=together)

    first, *others = (decode(end, name="end").tensors for end in together.ends)
    for other in others:
        assert all(torch.equal(first[name], tensor) for name, tensor in other.items())


class StopsAt(News):
    """Asks for an end after some steps."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._last = step

    def step_done(self, progress: Progress) -> None:
        super().step_done(progress)
        self.stop_is_wanted = progress.step >= self._last


@pytest.mark.parametrize(("before", "after"), [(3, 2), (2, 0)])
def test_another_number_of_processes_goes_on(tmp_path: Path, before: int, after: int):
    recipe, data = small_recipe(), drawn_data()
    whole = train_network(data, recipe, folder=tmp_path / "whole")

    begun = Together(before, [StopsAt(7), *(News() for _ in range(before - 1))])
    stopped = train_network(data, recipe, folder=tmp_path / "parts", trainer=begun)
    rest = {"trainer": Together(after)} if after else {}
    resumed = train_network(data, recipe, folder=tmp_path / "parts", resume=True, **rest)

    assert (stopped.stopped_by, resumed.stopped_by) == ("user", "plan")
    assert_alike(whole, resumed, within=ROUNDING)


def test_a_training_that_does_not_converge_ends_in_all_processes(tmp_path: Path):
    with pytest.raises(GateError, match="does not converge"):
        trained(tmp_path, small_recipe(learning_rate=100.0, epochs=100, momentum=0.99, weight_decay=1.0), 2)


@pytest.mark.fault
def test_a_process_that_runs_out_of_memory_is_an_error_with_a_remedy(tmp_path: Path, monkeypatch):
    def too_much(*_: object, **__: object) -> None:
        raise RuntimeError("can't allocate memory: you tried to allocate 1234 bytes")

    monkeypatch.setattr(loop, "push_through", too_much)
    with pytest.raises(ResourceError, match="one of 2 training processes runs out of memory"):
        trained(tmp_path, small_recipe(), 2)


@pytest.mark.fault
def test_a_process_that_is_gone_is_noticed_by_the_others():
    with pytest.raises(GroupBrokenError):
        all_together(2, lambda group: 0 if group.rank == 0 else group.add_up(torch.zeros(1 << 20)))


class Odd(nn.Module):
    """A network with one layer of another kind."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.inner = layer


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (nn.BatchNorm1d(2), "has batch statistics that cannot be summed"),
        (nn.Dropout(0.1), "draws random numbers"),
    ],
)
def test_a_layer_that_cannot_be_shared_out_is_refused_by_name(layer: nn.Module, why: str):
    with pytest.raises(UsageError, match=rf"odd cannot .* its layer inner \({type(layer).__name__}\) {why}"):
        require_shareable(Odd(layer), called="odd")


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(2), nn.LayerNorm(2), nn.Dropout(0.0)])
def test_of_several_layers_only_the_one_that_cannot_be_shared_out_is_named(layer: nn.Module):
    with pytest.raises(UsageError, match=r"its layer inner\.1 \(Dropout\)"):
        require_shareable(Odd(nn.Sequential(layer, nn.Dropout(0.1))), called="usual")
