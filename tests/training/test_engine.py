import pytest
import torch
from tests.training.examples import drawn_data, small_recipe

from vidi.errors import UsageError
from vidi.networks.build import build_network
from vidi.training.engine import engine
from vidi.training.engine.engine import (
    Engine,
    choose_channels_last,
    choose_device,
    choose_precision,
    choose_threads,
    limit_threads,
    seconds_per_image,
)
from vidi.training.engine.settle import engine_of, moved_here, with_engine
from vidi.training.loop.checkpoint import read_checkpoint, write_checkpoint
from vidi.training.loop.objective import InputNormalisation
from vidi.training.train import train_network


@pytest.fixture(autouse=True)
def nothing_remembered():
    """What was measured with pretended rates is forgotten."""
    yield
    for choice in (choose_precision, choose_channels_last, choose_threads):
        choice.cache_clear()


def pretend(monkeypatch: pytest.MonkeyPatch, *, products: dict[str, float], convolutions: dict[str, float]) -> None:
    """A processor with those rates."""
    choose_precision.cache_clear()
    monkeypatch.setattr(engine, "matrix_rate", products.__getitem__)
    monkeypatch.setattr(engine, "convolution_rate", convolutions.__getitem__)


ZEN_4 = {"products": {"float32": 190.0, "bfloat16": 430.0}, "convolutions": {"float32": 200.0, "bfloat16": 400.0}}
ZEN_3 = {"products": {"float32": 148.0, "bfloat16": 1.0}, "convolutions": {"float32": 90.0, "bfloat16": 0.6}}
PRODUCTS_ALONE = {"products": {"float32": 50.0, "bfloat16": 160.0}, "convolutions": {"float32": 40.0, "bfloat16": 2.0}}


@pytest.mark.parametrize(("rates", "precision"), [(ZEN_4, "bfloat16"), (ZEN_3, "float32"), (PRODUCTS_ALONE, "float32")])
def test_the_precision_is_the_one_that_the_processor_computes_fastest_in(monkeypatch, rates, precision):
    pretend(monkeypatch, **rates)

    chosen, reason = choose_precision()

    products = rates["products"]
    assert chosen == precision
    assert reason.startswith(f"{products['float32']:.0f} GFLOP/s in float32 and {products['bfloat16']:.0f} GFLOP/s")


def test_a_disturbed_moment_does_not_decide(monkeypatch):
    pretend(monkeypatch, **ZEN_4)
    calls = {"float32": 0, "bfloat16": 0}

    def disturbed(precision: str) -> float:
        calls[precision] += 1
        return ZEN_4["convolutions"][precision] / (1 if calls["float32"] > 2 or precision == "float32" else 4)

    monkeypatch.setattr(engine, "convolution_rate", disturbed)

    assert choose_precision()[0] == "bfloat16"


def test_where_bfloat16_is_hopeless_it_is_tried_no_more_than_twice(monkeypatch):
    pretend(monkeypatch, **ZEN_3)
    asked: list[str] = []
    monkeypatch.setattr(
        engine, "matrix_rate", lambda precision: asked.append(precision) or ZEN_3["products"][precision]
    )

    assert choose_precision()[0] == "float32"
    assert asked == ["float32", "bfloat16"] * 2


def test_the_processor_is_asked_once(monkeypatch):
    pretend(monkeypatch, **ZEN_4)
    first = choose_precision()
    monkeypatch.setattr(engine, "matrix_rate", ZEN_3["products"].__getitem__)

    assert choose_precision() is first


@pytest.mark.parametrize(("planes", "colours_last"), [(60.0, True), (120.0, True), (200.0, False)])
def test_colours_lie_side_by_side_unless_planes_are_clearly_faster(monkeypatch, planes, colours_last):
    choose_channels_last.cache_clear()
    rates = {True: 100.0, False: planes}
    monkeypatch.setattr(engine, "convolution_rate", lambda _, *, channels_last: rates[channels_last])

    assert choose_channels_last("float32") == colours_last


@pytest.mark.parametrize(("rate_of_eight", "threads"), [(110.0, 4), (200.0, 8)])
def test_a_core_gets_one_thread_unless_two_are_clearly_faster(monkeypatch, rate_of_eight, threads):
    choose_threads.cache_clear()
    given = torch.get_num_threads()
    asked = []
    monkeypatch.setattr(engine, "core_count", lambda: 8)
    monkeypatch.setattr(engine, "physical_core_count", lambda: 4)
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(engine, "matrix_rate", lambda *_, **__: {4: 100.0, 8: rate_of_eight}[asked[-1]])

    assert choose_threads() == threads
    assert asked[-1] == given


def test_a_disturbance_in_one_round_does_not_decide(monkeypatch):
    rounds = iter([(180.0, 9.0), (60.0, 200.0), (180.0, 9.0), (60.0, 9.0), (175.0, 540.0)])
    given = [value for one in rounds for value in one]
    monkeypatch.setattr(engine, "matrix_rate", lambda *_, **__: given.pop(0))
    monkeypatch.setattr(engine, "convolution_rate", lambda *_, **__: 100.0)
    choose_precision.cache_clear()

    assert choose_precision() == ("bfloat16", "180 GFLOP/s in float32 and 540 GFLOP/s in bfloat16")


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
    choose_precision.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_units)

    assert choose_precision("cuda")[0] == precision


def test_what_the_recipe_leaves_open_is_settled_and_its_source_noted():
    settled = with_engine(small_recipe(device="auto", precision="auto"))

    assert {"device", "precision"} <= set(settled.measured())
    assert engine_of(settled) == Engine(device=settled.device, precision=settled.precision)


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
    assert resumed.recipe.device == "cpu"
    assert "this computer has no cuda: went on on the processor, so the weights' bits will differ" in resumed.notes


def test_a_run_begun_in_bfloat16_goes_on_in_float32_where_that_is_slow(monkeypatch):
    pretend(monkeypatch, **ZEN_3)

    moved, notes = moved_here(small_recipe(device="cpu", precision="bfloat16"))

    assert moved.precision == "float32"
    assert notes == ["this processor is slow in bfloat16: went on in float32, so the weights' bits will differ"]


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
    assert engine.matrix_rate(precision, side=16, repeats=1) > 0


@pytest.mark.parametrize("channels_last", [True, False])
def test_convolutions_have_a_rate(channels_last):
    assert engine.convolution_rate("float32", channels_last=channels_last) > 0


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
