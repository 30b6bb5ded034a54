"""What the bench of a training step says of figures that were measured."""

import pytest

pytest.importorskip("torch")

from bench import training_step
from torch import nn

from vidi.training.engine.engine import Engine


def found(*, share: float) -> dict[str, object]:
    return {
        "precision": "float32",
        "step_seconds": 2.0,
        "gigaflops": 160.0,
        "fastest_convolution": 200.0,
        "share_of_fastest": 0.8,
        "share_of_all": share,
        "where": dict.fromkeys((*training_step.PURPOSES, training_step.OTHERS), 1 / 8),
    }


@pytest.mark.parametrize(("share", "word"), [(0.9, "85% met"), (0.84, "85% NOT met")])
def test_a_step_is_judged_by_the_same_convolutions_alone(capsys, share, word):
    document = {"processor": "drawn", "torch": "2", "steps": 6, "found": {training_step.USUAL: found(share=share)}}

    assert training_step.report(document) == (share >= training_step.LEAST_SHARE)

    assert word in capsys.readouterr().out


def test_the_convolutions_are_found_with_the_maps_that_come_in():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3))

    assert training_step.convolutions_of(network) == [(4, 8, 32), (8, 6, 16)]


def test_a_rate_counts_multiply_adds_twice_and_both_gradients():
    assert training_step.rates_of([(4, 8, 16)], [0.5], batch=2) == pytest.approx([3 * 2 * 9 * 4 * 8 * 256 * 2 / 5e8])


def test_a_convolution_alone_takes_time():
    assert training_step.seconds_of((3, 4, 8), 2, Engine()) > 0
