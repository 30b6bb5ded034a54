import hashlib
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from tests.counts import count
from tests.training.examples import drawn_data, small_recipe

from vidi.errors import GateError, ResourceError
from vidi.training.loop import loop
from vidi.training.loop.checkpoint import read_checkpoint
from vidi.training.train import train_network
from vidi.training.trained import TrainedNetwork

ROOT = Path(__file__).parents[2]
CHILD = """
    import sys
    import torch
    torch.set_num_threads(1)
    from pathlib import Path
    from tests.training.examples import drawn_data, small_recipe
    from vidi.training.loop.progress import Listener
    from vidi.training.train import train_network
    folder = Path(sys.argv[1])
    listener = Listener(progress=lambda progress: print(progress.step, flush=True))
    train_network(drawn_data(), small_recipe(epochs=12), folder=folder, resume=folder.exists(), listener=listener)
    print("done", flush=True)
"""


def digest_of(trained: TrainedNetwork) -> str:
    return hashlib.sha256(save(trained.network.state_dict())).hexdigest()


def train_and_kill(folder: Path, *, after_lines: int) -> bool:
    """Train in a process of its own and kill it after it has told of that many steps; true if it had ended before."""
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline().strip() for _ in range(after_lines)]
        child.send_signal(signal.SIGKILL)
    return "done" in lines


@pytest.mark.fault
@pytest.mark.slow  # every kill needs a process of its own, which imports torch
def test_killed_at_random_moments_it_ends_with_the_weights_of_the_unbroken_run(tmp_path):
    unbroken = train_network(drawn_data(), small_recipe(epochs=12), folder=tmp_path / "unbroken")
    random = np.random.default_rng(0)
    kills, run = 0, 0
    while kills < count(small=1, faults=20, soak=200):
        folder = tmp_path / f"killed-{run}"
        run += 1
        while kills < count(small=1, faults=20, soak=200):
            kills += 1
            if train_and_kill(folder, after_lines=int(random.integers(1, 16))):
                break
            before = read_checkpoint(folder).values["counters"]["step"]
            assert before >= 1

        resumed = train_network(drawn_data(), small_recipe(epochs=12), folder=folder, resume=True)

        assert digest_of(resumed) == digest_of(unbroken)
        assert [row.validation_loss for row in resumed.history] == [row.validation_loss for row in unbroken.history]


@pytest.mark.fault
def test_stopped_at_random_steps_it_ends_with_the_weights_of_the_unbroken_run(tmp_path):
    data, recipe = drawn_data(), small_recipe(epochs=3, checkpoint_seconds=3600)
    unbroken = train_network(data, recipe, folder=tmp_path / "unbroken")
    random = np.random.default_rng(1)

    for number in range(count(small=4, faults=20, soak=200)):
        stops = iter(random.random(1000) < 0.2)
        folder = tmp_path / str(number)
        trained = train_network(data, recipe, folder=folder, should_stop=lambda: bool(next(stops)))  # noqa: B023
        while not trained.finished:
            trained = train_network(data, recipe, folder=folder, resume=True, should_stop=lambda: bool(next(stops)))  # noqa: B023

        assert digest_of(trained) == digest_of(unbroken)


@pytest.mark.fault
def test_two_threads_repeat_themselves_too(tmp_path):
    torch.set_num_threads(2)
    data, recipe = drawn_data(), small_recipe(epochs=1)

    digests = {digest_of(train_network(data, recipe, folder=tmp_path / str(run))) for run in range(2)}
    torch.set_num_threads(1)

    assert len(digests) == 1


@pytest.mark.fault
def test_steps_without_a_finite_loss_are_skipped_and_the_network_stays_finite(tmp_path, monkeypatch):
    for run in range(count(small=3, faults=20, soak=100)):
        random = np.random.default_rng(run)
        with monkeypatch.context() as patch:  # of its own, or the poisons of all runs add up
            poison(patch, lambda _, random=random: bool(random.random() < 0.3))

            trained = train_network(drawn_data(), small_recipe(), folder=tmp_path / str(run))

        counters = read_checkpoint(tmp_path / str(run)).values["counters"]
        assert counters["skipped"] > 0
        assert all(bool(tensor.isfinite().all()) for tensor in trained.network.state_dict().values())


@pytest.mark.fault
def test_ten_in_a_row_go_back_to_the_checkpoint_at_half_the_rate(tmp_path, monkeypatch):
    poison(monkeypatch, lambda step: 5 <= step < 15)

    trained = train_network(drawn_data(), small_recipe(), folder=tmp_path)

    assert trained.finished
    assert trained.notes == (
        "10 steps in a row had no finite loss: went back from step 15 to step 5 and halved the learning rate",
    )
    assert read_checkpoint(tmp_path).values["counters"]["rollbacks"] == 1


@pytest.mark.fault
def test_the_third_time_it_gives_up_with_a_diagnosis(tmp_path, monkeypatch):
    poison(monkeypatch, lambda step: step >= 5)

    with pytest.raises(GateError, match="training does not converge: 30 steps had no finite loss") as caught:
        train_network(drawn_data(), small_recipe(epochs=50), folder=tmp_path)

    assert caught.value.exit_code == 7
    assert all(bool(tensor.isfinite().all()) for tensor in read_checkpoint(tmp_path).tensors.values())


@pytest.mark.fault
def test_a_learning_rate_that_explodes_never_leaves_a_broken_network(tmp_path):
    recipe = small_recipe(network="textbook", optimizer="sgd", learning_rate=100.0, **{"options.width": None})

    try:
        trained = train_network(drawn_data(), recipe, folder=tmp_path)
    except GateError:
        tensors = read_checkpoint(tmp_path).tensors
    else:
        tensors = trained.network.state_dict()

    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())


def poison(monkeypatch: pytest.MonkeyPatch, is_bad) -> None:
    """Let the loss be not a number at some calls."""
    calls = iter(range(10**6))
    original = loop.summed_loss

    def poisoned(logits, labels, **others):
        loss = original(logits, labels, **others)
        return loss * float("nan") if is_bad(next(calls)) else loss

    monkeypatch.setattr(loop, "summed_loss", poisoned)


@pytest.mark.fault
def test_short_memory_splits_the_batch_and_the_gradients_stay_the_same(tmp_path, monkeypatch):
    data = drawn_data()
    # Without batch normalisation, whose statistics are those of a part, parts add up to the whole.
    recipe = small_recipe(network="textbook", averaging=0.0, **{"options.width": None})
    whole = train_network(data, recipe, folder=tmp_path / "whole")
    allow_at_most(monkeypatch, 3)

    split = train_network(data, recipe, folder=tmp_path / "split")

    assert split.notes == (
        "short of memory: each batch of 8 images is computed in 2 parts of at most 4",
        "short of memory: each batch of 8 images is computed in 4 parts of at most 2",
    )
    for name, tensor in split.network.state_dict().items():
        torch.testing.assert_close(tensor, whole.network.state_dict()[name], rtol=1e-3, atol=1e-4)


@pytest.mark.fault
def test_too_little_memory_for_one_image_is_said_with_the_figure(tmp_path, monkeypatch):
    allow_at_most(monkeypatch, 0)

    with pytest.raises(ResourceError, match="one image at a time; it needs 1,234,567 bytes more") as caught:
        train_network(drawn_data(), small_recipe(), folder=tmp_path)

    assert caught.value.exit_code == 5


def allow_at_most(monkeypatch: pytest.MonkeyPatch, images: int) -> None:
    """Let memory run short for more images than that at once."""
    original = loop.forward

    def limited(network, inputs, *, precision):
        if len(inputs) > images:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1234567 bytes.")
        return original(network, inputs, precision=precision)

    monkeypatch.setattr(loop, "forward", limited)
