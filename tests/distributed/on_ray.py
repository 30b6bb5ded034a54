"""A real Ray cluster of several nodes on this computer, and workers there to which something happens."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import ray

from vidi.distributed.cluster import RayWorkers

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


class Disturbed(RayWorkers):
    """Real workers, of which some are killed, or their node is, right after they were given a shard."""

    def __init__(self, *given: Any, kills: int, every: int = 2, cluster: Any = None) -> None:
        super().__init__(*given)
        self.kills, self._every, self._cluster = kills, every, cluster
        self._submitted = 0

    def submit(self, worker: Any, task: Any) -> Any:
        running = super().submit(worker, task)
        self._submitted += 1
        if self.kills and self._submitted % self._every == 0:
            self.kills -= 1
            if self._cluster is not None:
                self._cluster.remove_node(self._cluster.add_node(num_cpus=1))
                self._cluster.remove_node(sorted(self._cluster.worker_nodes, key=id)[0])
                self._cluster.add_node(num_cpus=1)
            else:
                ray.kill(worker)
        return running
