"""Several processes of one training, as threads of this one: each with its own network, joined by gloo."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from vidi.training.loop.checkpoint import decode
from vidi.training.loop.context import TrainingContext
from vidi.training.loop.keeper import Keeper
from vidi.training.loop.state import State, restore_state
from vidi.training.parallel.gloo import GlooGroup, find_meeting, open_meeting
from vidi.training.parallel.news import News
from vidi.training.parallel.share import train_share

SECONDS = 60.0  # after which a process that does not answer is given up
HERE = "127.0.0.1"
Result = TypeVar("Result")


def all_together(count: int, action: Callable[[GlooGroup], Result]) -> list[Result]:
    """What an action gives in each of some processes; the first error that one meets is raised here."""
    meeting = open_meeting(HERE)
    results: dict[int, Result] = {}
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        torch.set_num_threads(1)
        try:
            store = meeting if rank == 0 else find_meeting(HERE, meeting.port)
            results[rank] = action(GlooGroup.join(store, host=HERE, rank=rank, size=count, seconds=SECONDS))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[rank] for rank in range(count)]


class Together:
    """Trains by several processes; keeps what each ended with."""

    def __init__(self, count: int, news: Sequence[News] | None = None) -> None:
        self.news = news or [News() for _ in range(count)]
        self.ends: list[bytes] = []

    def __call__(self, state: State, context: TrainingContext, keeper: Keeper) -> None:
        begin = keeper.as_bytes(state)

        def share(group: GlooGroup) -> bytes:
            return train_share(context.data, begin, group=group, deadline=context.deadline, news=self.news[group.rank])

        self.ends = all_together(len(self.news), share)
        end = decode(self.ends[0], name="the end")
        restore_state(state, end.tensors, values=end.values)
