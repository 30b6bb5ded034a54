import time

import pytest
import torch
from tests.training.examples import drawn_data, small_recipe

from vidi.errors import UsageError
from vidi.networks.build import build_network
from vidi.training.engine import engine, rates
from vidi.training.engine.engine import (
    Engine,
    choose_device,
    choose_precision,
    choose_threads,
    decide_channels_last,
    decide_precision,
    decide_threads,
    engine_of,
    limit_threads,
    moved_here,
    with_engine,
)
from vidi.training.engine.rates import convolution_rate, matrix_rate, processor_clock, seconds_per_image
from vidi.training.loop.checkpoint import read_checkpoint, write_checkpoint
from vidi.training.loop.objective import InputNormalisation
from vidi.training.train import train_network

ZEN_4 = {"products": {"float32": 190.0, "bfloat16": 430.0}, "convolutions": {"float32": 200.0, "bfloat16": 400.0}}
ZEN_3 = {"products": {"float32": 148.0, "bfloat16": 1.0}, "convolutions": {"float32": 90.0, "bfloat16": 0.6}}
PRODUCTS_ALONE = {"products": {"float32": 50.0, "bfloat16": 160.0}, "convolutions": {"float32": 40.0, "bfloat16": 2.0}}


def decided(*, products: dict[str, float], convolutions: dict[str, float]) -> tuple[str, str]:
    """The precision on a processor with those rates."""
    return decide_precision(products.__getitem__, convolutions.__getitem__)


@pytest.mark.parametrize(("rates", "precision"), [(ZEN_4, "bfloat16"), (ZEN_3, "float32"), (PRODUCTS_ALONE, "float32")])
def test_the_precision_is_the_one_that_the_processor_computes_fastest_in(rates, precision):
    chosen, reason = decided(**rates)

    products = rates["products"]
    assert chosen == precision
    assert reason.startswith(f"{products['float32']:.0f} GFLOP/s in float32 and {products['bfloat16']:.0f} GFLOP/s")


def test_a_disturbed_moment_does_not_decide():
    calls = {"float32": 0, "bfloat16": 0}

    def disturbed(precision: str) -> float:
        calls[precision] += 1
        return ZEN_4["convolutions"][precision] / (1 if calls["float32"] > 2 or precision == "float32" else 4)

    assert decide_precision(ZEN_4["products"].__getitem__, disturbed)[0] == "bfloat16"


def test_where_bfloat16_is_hopeless_it_is_tried_no_more_than_twice():
    asked: list[str] = []

    def rate(precision: str) -> float:
        asked.append(precision)
        return ZEN_3["products"][precision]

    assert decide_precision(rate, ZEN_3["convolutions"].__getitem__)[0] == "float32"
    assert asked == ["float32", "bfloat16"] * 2


@pytest.mark.slow  # over half a second of processor time: measures
def test_the_processor_is_measured_once():
    assert choose_precision() is choose_precision()


@pytest.mark.parametrize(("planes", "colours_last"), [(60.0, True), (120.0, True), (200.0, False)])
def test_colours_lie_side_by_side_unless_planes_are_clearly_faster(planes, colours_last):
    assert decide_channels_last({True: 100.0, False: planes}.__getitem__) == colours_last


def test_disturbed_rounds_do_not_change_the_layout():
    rounds = iter([10.0, 60.0, 20.0, 60.0, 100.0, 60.0, 30.0, 60.0, 20.0, 60.0])  # channels last, then first

    assert decide_channels_last(lambda _: next(rounds))


@pytest.mark.parametrize(("rate_of_eight", "threads"), [(110.0, 4), (200.0, 8)])
def test_a_core_gets_one_thread_unless_two_are_clearly_faster(rate_of_eight, threads):
    assert decide_threads(logical=8, physical=4, rate={4: 100.0, 8: rate_of_eight}.__getitem__) == threads


def test_cores_without_a_second_thread_are_not_measured():
    assert decide_threads(logical=2, physical=2, rate=lambda count: pytest.fail(f"measured {count}")) == 2


def test_measuring_threads_leaves_them_as_they_were():
    given = torch.get_num_threads()

    assert choose_threads() >= 1
    assert torch.get_num_threads() == given


def test_a_disturbance_in_one_round_does_not_decide():
    rounds = iter([(180.0, 9.0), (60.0, 200.0), (180.0, 9.0), (60.0, 9.0), (175.0, 540.0)])
    given = [value for one in rounds for value in one]

    found = decide_precision(lambda _: given.pop(0), lambda _: 100.0)

    assert found == ("bfloat16", "180 GFLOP/s in float32 and 540 GFLOP/s in bfloat16")


def test_threads_are_taken_away_but_never_added(monkeypatch):
    given = torch.get_num_threads()

    monkeypatch.setattr(engine, "choose_threads", lambda: given + 7)
    limit_threads()

    assert torch.get_num_threads() == given


def test_a_gpu_is_used_where_there_is_one_and_refused_by_name_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)

    assert [choose_device(wanted) for wanted in ("auto", "cpu", "mps")] == ["mps", "cpu", "mps"]
    with pytest.raises(UsageError, match="torch finds no cuda device"):
        choose_device("cuda")


@pytest.mark.parametrize(("has_units", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_is_asked_for_bfloat16(monkeypatch, has_units, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_units)

    assert choose_precision.__wrapped__("cuda")[0] == precision


def test_what_the_recipe_leaves_open_is_settled_and_its_source_noted():
    settled = with_engine(small_recipe(device="auto", precision="auto"))

    assert {"device", "precision"} <= set(settled.measured())
    assert engine_of(settled) == Engine(device=settled.execution.device, precision=settled.execution.precision)


def test_a_run_begun_on_a_gpu_goes_on_without_one_and_says_so(tmp_path, monkeypatch):
    for kind in (torch.cuda, torch.backends.mps):
        monkeypatch.setattr(kind, "is_available", lambda: False)
    data, given = drawn_data(), small_recipe(epochs=2)
    train_network(data, given, folder=tmp_path, should_stop=lambda: True)
    checkpoint = read_checkpoint(tmp_path)
    elsewhere = small_recipe(epochs=2).changed({"device": "cuda"}, source="measured: a GPU that torch can use")
    write_checkpoint(tmp_path, checkpoint.tensors, values={**checkpoint.values, "recipe": elsewhere.as_dict()})

    resumed = train_network(data, given, folder=tmp_path, resume=True)

    assert resumed.finished
    assert resumed.recipe.execution.device == "cpu"
    assert any("this computer has no cuda: resumed on the processor" in note for note in resumed.notes)


def test_a_run_begun_in_bfloat16_goes_on_in_float32_where_that_is_slow():
    moved, notes = moved_here(small_recipe(device="cpu", precision="bfloat16"))

    assert moved.execution.precision == "float32"
    assert [note.partition(",")[0] for note in notes] == ["bfloat16 is slow on this processor: resumed in float32"]


@pytest.mark.parametrize("channels_last", [True, False])
def test_inputs_are_normalised_to_the_bit_in_either_layout(channels_last):
    images = drawn_data().images[:3]
    normalisation = InputNormalisation((120.0, 110.0, 100.0), (60.0, 61.0, 62.0))

    inputs = normalisation.inputs(images, engine=Engine(channels_last=channels_last))

    layout = torch.channels_last if channels_last else torch.contiguous_format
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (normalisation.mean, normalisation.std))
    assert inputs.is_contiguous(memory_format=layout)
    assert torch.equal(inputs, (torch.from_numpy(images).permute(0, 3, 1, 2).float() - mean) / std)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_have_a_rate(precision):
    assert matrix_rate(precision, side=16, repeats=1) > 0


@pytest.mark.parametrize("channels_last", [True, False])
def test_convolutions_have_a_rate(channels_last):
    assert convolution_rate("float32", channels_last=channels_last) > 0


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

    network = build_network("dense", image_size=(8, 8), class_count=2)

    monkeypatch.setattr(rates, "_step_seconds", step_seconds)
    seconds = seconds_per_image(network, (8, 8), batch=64, precision="float32")

    assert seconds == pytest.approx(0.1)
    assert tried == [64, 32, 16]


def test_layouts_are_compared_by_processor_time_where_that_can_be_told_finely():
    ticks = iter(range(1000))
    rate = convolution_rate("float32", clock=lambda: float(next(ticks)))

    assert rate == pytest.approx(6 * 64 * 64 * 9 * 8 * 32 * 32 / 1e9)  # each convolution takes one tick
    assert processor_clock() in (time.process_time, time.perf_counter)
    if time.get_clock_info("process_time").resolution <= 1e-6:
        assert processor_clock() is time.process_time
