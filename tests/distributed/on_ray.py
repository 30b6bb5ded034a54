"""A real Ray cluster of several nodes on this computer, and workers there to which something happens."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ray import cloudpickle

from vidi.distributed.cluster import RayShards
from vidi.distributed.shards import Work, digest_of_texts
from vidi.images.store import ImageStore

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not find the tests
NEVER_MISSED: Final = {"health_check_failure_threshold": 10_000}  # however busy this computer is with other work


@contextlib.contextmanager
def cluster_of(nodes: int, **head: Any) -> Iterator[Any]:
    """A cluster of some nodes, one core each.

    Args:
        nodes: at least one, the head.
        head: further options of the head.
    """
    from ray.cluster_utils import Cluster

    own = {"num_cpus": 1, "_system_config": dict(NEVER_MISSED), **head}
    cluster = Cluster(initialize_head=True, head_node_args=own)
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


def dying(flags: Path, kills: int, every: int, make: Callable[..., Work], *given: Any) -> Work:
    """Work during which some processes kill themselves, each at the first attempt of another shard.

    Args:
        flags: folder of a file for each shard that was attempted, one for its turn, and one for each kill.
        kills: number of processes.
        every: of so many shards, one kills its process.
        make: gives the work.
        given: its arguments.
    """
    work = make(*given)

    def do(store: ImageStore, paths: Sequence[str]) -> bytes:
        shard = digest_of_texts(paths)
        if claimed(flags / f"attempted-{shard}"):
            turn = 1
            while not claimed(flags / f"turn-{turn}"):
                turn += 1
            if turn % every == 0 and turn // every <= kills:
                (flags / f"kill-{shard}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return work(store, paths)

    return do


def claimed(flag: Path) -> bool:
    """Whether a file was not there, and is now."""
    try:
        flag.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def kills(flags: Path) -> int:
    """How many processes have killed themselves."""
    return len(list(flags.glob("kill-*")))


class LosingANode(RayShards):
    """Loses a node of the cluster right after some shards were begun."""

    def __init__(self, *given: Any, cluster: Any) -> None:
        super().__init__(*given)
        self._cluster, self.begun = cluster, 0

    def start(self, task: Any) -> Any:
        running = super().start(task)
        self.begun += 1
        if self.begun == 2:
            self._cluster.remove_node(self._cluster.add_node(num_cpus=1))
            self._cluster.remove_node(sorted(self._cluster.worker_nodes, key=id)[0])
            self._cluster.add_node(num_cpus=1)
        return running
