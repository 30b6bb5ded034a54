"""How a training by several processes is followed from outside: what is lost, hangs, fails or is stopped."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.examples import drawn_data, small_recipe
from vidi.distributed.processes import Look, ProcessTrainer
from vidi.distributed.shards import WorkerLostError
from vidi.distributed.train import cores_each
from vidi.errors import GateError, ResourceError
from vidi.training.loop.checkpoint import decode
from vidi.training.loop.context import TrainingContext
from vidi.training.loop.keeper import Told
from vidi.training.loop.progress import Progress
from vidi.training.parallel.group import ALONE
from vidi.training.parallel.news import News
from vidi.training.parallel.share import train_share
from vidi.training.train import train_here, train_network


class OneProcess:
    """A crew of this process, which trains to the end when it is looked at; before that, things happen to it."""

    def __init__(self, *happens: Callable[["OneProcess"], Told | None]) -> None:
        self.happens, self.begun, self.ended = list(happens), list[int](), 0
        self.stop_is_wanted = False

    def start(self, context: TrainingContext, checkpoint: bytes) -> int:
        self.context, self.checkpoint = context, checkpoint
        self.begun.append(decode(checkpoint, name="begun").values["counters"]["step"])
        return 1

    def look(self, seconds: float) -> Look:
        if self.happens and (told := self.happens.pop(0)(self)) is not None:
            return Look(told=told)
        news = News()
        news.stop_is_wanted = self.stop_is_wanted
        end = train_share(self.context.data, self.checkpoint, group=ALONE, deadline=None, news=news)
        return Look(told=news.take(), end=end)

    def part(self, step: int) -> Told:
        """Train for some steps, and tell of them."""

        class Stops(News):
            def step_done(self, progress: Progress) -> None:
                super().step_done(progress)
                self.stop_is_wanted = progress.step >= step

            def checkpoint_made(self, data: bytes) -> None:
                made.append(data)

        made, news = list[bytes](), Stops()
        train_share(self.context.data, self.checkpoint, group=ALONE, deadline=None, news=news)
        kept = news.take()
        # The step that follows is the last, which says that the user stopped it.
        return Told(step=kept.step, progress=kept.progress, history=kept.history, checkpoint=made[-2])

    def find_hanging(self) -> str:
        return "process 1 of 1 hangs"

    def ask_to_stop(self) -> None:
        self.stop_is_wanted = True

    def end(self) -> None:
        self.ended += 1


def lost(_: OneProcess) -> None:
    raise WorkerLostError("a training process is lost (test)")


def trained(folder: Path, crew: OneProcess, said: list[str], **options):
    trainer = ProcessTrainer(crew=crew, say=said.append, **options)
    return train_network(drawn_data(), small_recipe(), folder=folder, trainer=trainer)


def nothing_new(_: OneProcess) -> Told:
    return Told(step=3)


@pytest.mark.fault
def test_a_lost_process_is_told_and_all_go_on_from_the_last_checkpoint(tmp_path: Path):
    said: list[str] = []
    crew = OneProcess(lambda crew: crew.part(step=6), lost)
    whole = train_network(drawn_data(), small_recipe(), folder=tmp_path / "whole", trainer=train_here)
    broken = trained(tmp_path / "broken", crew, said)

    for name, tensor in whole.network.state_dict().items():
        np.testing.assert_array_equal(broken.network.state_dict()[name], tensor)
    assert crew.begun == [0, 6]
    assert said == [
        "training by 1 process",
        "a training process is lost (test); all begin again from the last checkpoint",
    ]
    assert (tmp_path / "broken" / "results.csv").read_text().count("\n") == 5


@pytest.mark.fault
def test_processes_that_are_lost_again_and_again_end_the_run_which_can_be_resumed(tmp_path: Path):
    crew = OneProcess(lambda crew: crew.part(step=6), *[lost] * 4)
    with pytest.raises(ResourceError, match=r"lost 4 times in a row") as raised:
        trained(tmp_path, crew, [])

    assert raised.value.exit_code == 5
    assert "vidi train --resume RUN" in raised.value.remedy
    resumed = train_network(drawn_data(), small_recipe(), folder=tmp_path, resume=True)
    assert resumed.stopped_by == "plan"
    assert crew.begun == [0, 6, 6, 6]


@pytest.mark.fault
def test_a_process_without_a_step_for_too_long_hangs(tmp_path: Path):
    said: list[str] = []
    times = iter([0.0, 0.0, 50.0, 101.0, *[101.0] * 9])
    trained(
        tmp_path, OneProcess(nothing_new, nothing_new, nothing_new), said, patience=100.0, clock=lambda: next(times)
    )

    assert said[1] == "no step in 100 s (process 1 of 1 hangs); all begin again from the last checkpoint"


@pytest.mark.fault
def test_an_error_of_the_training_itself_is_not_tried_again(tmp_path: Path):
    def fails(_: OneProcess) -> None:
        raise GateError("training does not converge", "Try a smaller learning rate.")

    crew = OneProcess(fails)
    with pytest.raises(GateError):
        trained(tmp_path, crew, [])
    assert (crew.begun, crew.ended) == ([0], 1)


def test_the_user_stops_them_and_a_checkpoint_is_left(tmp_path: Path):
    crew = OneProcess(lambda crew: crew.part(step=6), nothing_new)
    trainer = ProcessTrainer(crew=crew, say=lambda _: None)
    stopped = train_network(
        drawn_data(), small_recipe(), folder=tmp_path, trainer=trainer, should_stop=lambda: bool(crew.begun)
    )

    assert stopped.stopped_by == "user"
    assert train_network(drawn_data(), small_recipe(), folder=tmp_path, resume=True).finished


def test_every_process_has_as_many_cores_as_its_computer_can_give():
    assert [cores_each(nodes, 3) for nodes in ([8, 8, 8], [8, 2, 8], [3], [1, 1, 1, 1])] == [8, 4, 1, 1]


def test_progress_and_epochs_are_those_of_one_process(tmp_path: Path):
    def told(place: str, trainer) -> tuple[list[int], list[int]]:
        steps, epochs = list[int](), list[int]()
        train_network(
            drawn_data(), small_recipe(), folder=tmp_path / place, trainer=trainer,
            on_progress=lambda one: steps.append(one.step), on_epoch=lambda row: epochs.append(row.epoch),
        )  # fmt: skip
        return steps, epochs

    here = told("here", train_here)
    there = told("there", ProcessTrainer(crew=OneProcess(lambda crew: crew.part(step=9)), say=lambda _: None))

    assert here[1] == there[1] == [1, 2, 3, 4]
    assert set(there[0]) <= set(here[0])
    assert there[0][-1] == here[0][-1]
