"""What one driver can hand out and take in: `python -m bench.scaling.driver WORKERS SHARDS`.

The real `do_shards` with its folder drives simulated workers under a clock that jumps; its own processor time is what
counts. Where Ray is installed, Ray's own part is measured with real tasks beside it: handing out, waiting among as
many references, and fetching. Prints JSON.
"""

import heapq
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vidi.distributed.cluster import AHEAD, do_shards
from vidi.distributed.shards import IMAGES_IN_SHARD, Shard, ShardFolder, Work, plan_of
from vidi.images.store import BytesStore

RESULT_BYTES = IMAGES_IN_SHARD * 260  # answers of ten classes
SHARD_SECONDS = 2.5  # of a worker: 256 images at about 100 a second
LOST = 0.001  # of the shards, with their worker


class SimulatedWorkers:
    """Workers that take a drawn time for each shard, one after the other, by a clock that jumps to the next event."""

    def __init__(self, count: int) -> None:
        self._count, self._random = count, np.random.default_rng(0)
        self.now, self._number = 0.0, 0
        self._free_at = [0.0] * count  # of each worker, the first to be free first
        self._ends: list[tuple[float, int]] = []
        self.result_bytes = bytes(RESULT_BYTES)

    def room(self) -> int:
        return self._count

    def start(self, task: Any) -> int:  # noqa: ARG002 - as all
        self._number += 1
        ends = max(self.now, self._free_at[0]) + SHARD_SECONDS * float(self._random.uniform(0.7, 1.3))
        heapq.heapreplace(self._free_at, ends)
        heapq.heappush(self._ends, (ends, self._number))
        return self._number

    def wait(self, running: Sequence[int], seconds: float) -> list[int]:  # noqa: ARG002 - as all
        self.now = max(self.now, self._ends[0][0])
        done = []
        while self._ends and self._ends[0][0] <= self.now:
            done.append(heapq.heappop(self._ends)[1])
        return done

    def result(self, running: int) -> bytes:  # noqa: ARG002 - as all
        return self.result_bytes

    def cancel(self, running: int) -> None:
        pass


def simulate(workers: int, shards: int) -> dict[str, float]:
    """Shards for each second of the driver, with files and without."""
    found = {}
    for name, folder_of in (("in_memory", MemoryFolder), ("with_files", ShardFolder)):
        with tempfile.TemporaryDirectory() as folder:
            simulated = SimulatedWorkers(workers)
            results = folder_of(Path(folder) / "s", plan_of({}))
            clock = lambda own=simulated: own.now  # noqa: E731
            run = do_shards(simulated, range(shards), results, patience=900.0, say=str, clock=clock)
            began, used = time.perf_counter(), time.process_time()
            if sum(1 for _ in run) != shards:
                raise RuntimeError("a shard is missing")
            found[f"{name}_per_second"] = shards / (time.perf_counter() - began)
            found[f"{name}_per_cpu_second"] = shards / (time.process_time() - used)
    busy = shards * SHARD_SECONDS / workers
    return {**found, "simulated_seconds": simulated.now, "share_of_time_busy": busy / simulated.now}


class MemoryFolder:
    """A folder of results that keeps only which there are."""

    def __init__(self, folder: Path, plan: str) -> None:  # noqa: ARG002 - as all
        self._done: set[int] = set()

    def has(self, number: int) -> bool:
        return number in self._done

    def put(self, number: int, data: bytes) -> None:  # noqa: ARG002 - as all
        self._done.add(number)


def sized_answers(size: int) -> Work:
    """A worker that answers with as many bytes, at once."""
    return lambda _store, _paths: bytes(size)


def through_ray(references: int, shards: int) -> dict[str, float]:
    """Shards for each second that Ray takes from one driver to its workers and back, among as many references."""
    from vidi.distributed.cluster import LOCAL, RayShards, connected

    with connected(LOCAL, say=lambda _: None) as ray:
        work = RayShards(lambda: ray, sized_answers, RESULT_BYTES)
        task = Shard(BytesStore({}), [f"{number:040}" for number in range(IMAGES_IN_SHARD)])
        work.result(work.start(task))
        began, used, done = time.perf_counter(), time.process_time(), 0
        running = [work.start(task) for _ in range(references)]
        while done < shards:
            for one in work.wait(running, 1.0):
                work.result(one)
                running.remove(one)
                done += 1
                running.append(work.start(task))
        return {
            "per_second": done / (time.perf_counter() - began),
            "driver_per_cpu_second": done / (time.process_time() - used),
        }


def main() -> None:
    """Measure with as many workers and shards as the command says."""
    workers, shards = int(sys.argv[1]), int(sys.argv[2])
    found: dict[str, object] = {"workers": workers, "shards": shards, "simulated": simulate(workers, shards)}
    measure: Callable[[int, int], dict[str, float]] | None = through_ray if find_spec("ray") else None
    found["ray"] = None if measure is None else measure(AHEAD * workers, shards // 4)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
