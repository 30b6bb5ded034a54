import pytest
from tests.training.examples import small_recipe

from vidi.networks.build import build_network
from vidi.networks.layers import operations_of
from vidi.networks.options import NetworkOptions
from vidi.training.engine.engine import Engine
from vidi.training.speed import StepSpeed, measure_steps


def test_operations_are_products_and_sums_of_every_layer():
    dense = build_network("dense", image_size=(8, 8), class_count=2, options=NetworkOptions(dense_width=10))
    textbook = build_network(
        "textbook", image_size=(8, 8), class_count=2, options=NetworkOptions(filters=(4,), dense_width=10)
    )

    assert operations_of(dense, (8, 8)) == 2 * (3 * 64 * 10 + 10 * 2)
    # 4 filters of 3x3x3 at 6x6 places, then 4 channels of 3x3 regions.
    assert operations_of(textbook, (8, 8)) == 2 * (27 * 4 * 36 + 36 * 10 + 10 * 2)


def test_steps_are_timed_within_the_loop():
    measured = measure_steps(small_recipe(batch=4), steps=2, class_count=3, product_rate=lambda _: 50.0)

    assert (measured.images, measured.fastest_rate, measured.engine.precision) == (4, 50.0, "float32")
    assert 0 < measured.seconds < 10
    assert measured.operations % (3 * 4) == 0


def test_the_share_is_the_steps_rate_over_the_products():
    measured = StepSpeed(engine=Engine(), images=8, seconds=0.5, operations=40 * 10**9, fastest_rate=160.0)

    assert measured.rate == pytest.approx(80)
    assert measured.share == pytest.approx(0.5)
