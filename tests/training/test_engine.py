import pytest
import torch

from vidi.networks.build import build_network
from vidi.training import engine
from vidi.training.engine import choose_precision, seconds_per_image


@pytest.mark.parametrize(
    ("rates", "precision"),
    [
        ({"float32": 190.0, "bfloat16": 430.0}, "bfloat16"),  # a processor with AVX-512 bf16
        ({"float32": 148.0, "bfloat16": 1.0}, "float32"),  # one with AVX2 alone
    ],
)
def test_the_precision_is_the_one_that_the_processor_multiplies_fastest(monkeypatch, rates, precision):
    monkeypatch.setattr(engine, "matrix_rate", rates.__getitem__)

    chosen, reason = choose_precision()

    assert chosen == precision
    assert reason.startswith(f"{rates['float32']:.0f} GFLOP/s in float32 and {rates['bfloat16']:.0f} GFLOP/s")


def test_a_step_is_timed_without_touching_the_network():
    network = build_network("compact", image_size=(16, 16), class_count=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    assert 0 < seconds_per_image(network, (16, 16), batch=4, precision="float32") < 10

    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_trial_is_made_smaller_until_memory_is_enough(monkeypatch):
    tried = []

    def step_seconds(network, image_size, batch, precision):
        tried.append(batch)
        if batch > 16:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return 1.6

    monkeypatch.setattr(engine, "_step_seconds", step_seconds)
    network = build_network("dense", image_size=(8, 8), class_count=2)

    assert seconds_per_image(network, (8, 8), batch=64, precision="float32") == pytest.approx(0.1)
    assert tried == [64, 32, 16]
