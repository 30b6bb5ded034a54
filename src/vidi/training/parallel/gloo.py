"""Processes that are joined by gloo, torch's library for processors."""

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, distributed

from vidi.training.parallel.group import GroupBrokenError

_TORCH: Final[Any] = distributed  # its classes in C++ have no types


def open_meeting(host: str) -> Any:
    """Where processes find one another, opened by the first of them; its `port` is for the others."""
    return _TORCH.TCPStore(host, 0, None, True, wait_for_workers=False)


def find_meeting(host: str, port: int) -> Any:
    """The meeting that the first process has opened.

    Raises:
        GroupBrokenError: it is not there.
    """
    with _broken():
        return _TORCH.TCPStore(host, port, None, False)


class GlooGroup:
    """A process's place among those that train together; holds its connections."""

    def __init__(self, joined: Any, rank: int, size: int) -> None:
        self._joined, self.rank, self.size = joined, rank, size

    @classmethod
    def join(cls, meeting: Any, *, host: str, rank: int, size: int, seconds: float) -> "GlooGroup":
        """Connect with the others; returns once all are there.

        Args:
            meeting: of `open_meeting` or `find_meeting`.
            host: this process's address, as the others reach it.
            rank: number of this process.
            size: number of processes.
            seconds: after which a process that does not answer is an error.

        Raises:
            GroupBrokenError: not all came.
        """
        options = _TORCH.ProcessGroupGloo._Options()  # torch has no other way to name the address
        options._devices = [_TORCH.ProcessGroupGloo.create_device(hostname=host)]
        options._timeout = datetime.timedelta(seconds=seconds)
        with _broken():
            return cls(_TORCH.ProcessGroupGloo(meeting, rank, size, options), rank, size)

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over the processes; changes what it is given."""
        with _broken():
            self._joined.allreduce([values]).wait()
        return values

    def gather(self, values: Tensor) -> Tensor:
        """(size, …) what each process gave."""
        given = [torch.empty_like(values) for _ in range(self.size)]
        with _broken():
            self._joined.allgather([given], [values]).wait()
        return torch.stack(given)

    def from_first(self, number: int) -> int:
        """What process 0 gave."""
        return int(self._sent(torch.tensor([number], dtype=torch.int64))[0])

    def bytes_from_first(self, data: bytes) -> bytes:
        """What process 0 gave."""
        length = self.from_first(len(data))
        if self.rank == 0:
            self._sent(torch.frombuffer(bytearray(data), dtype=torch.uint8))
            return data
        return bytes(self._sent(torch.empty(length, dtype=torch.uint8)).numpy())

    def _sent(self, values: Tensor) -> Tensor:
        options = _TORCH.BroadcastOptions()
        options.rootRank, options.rootTensor = 0, 0
        with _broken():
            self._joined.broadcast([values], options).wait()
        return values


@contextlib.contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise GroupBrokenError(str(error)) from error
