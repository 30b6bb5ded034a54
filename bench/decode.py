"""What isolation costs: photographs decoded in worker processes, beside the same work in this process's threads.

    python -m bench decode                        five rounds of 600 images; half a minute
    ROUNDS=1 IMAGES=100 python -m bench decode    a look whether everything runs

JPEGs of 500 x 375 pixels become 224 x 224. The two take turns, with one thread and with one for each core. Processor
time is that of all processes together, as Linux counts it. Prints one JSON document; medians over the rounds.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.photographs import SIZE, photograph
from bench.processor import measured_here
from vidi.images.decode import DecodeJob, ReadImage, read_one
from vidi.images.framing import Framing
from vidi.images.workers.decode_pool import DecodePool
from vidi.machine import core_count, tune_allocator

FRAMING = Framing(size=(224, 224), mode="stretch")
DIFFERENT = 50  # photographs; the rounds go over them again and again
LARGE = (3000, 4000)  # (height, width), pixels
MOST_EXTRA = 0.5  # milliseconds of processor time for each image, in the worse of the two layouts

Decode = Callable[[bytes], ReadImage]


def main() -> None:
    """Measure, print, and exit with 7 where isolation costs more than it may."""
    rounds, count = int(os.environ.get("ROUNDS", "5")), int(os.environ.get("IMAGES", "600"))
    tune_allocator()  # as the server does
    files = [photograph(SIZE, seed=seed) for seed in range(DIFFERENT)]
    workers = core_count()
    pool = DecodePool(workers)
    began = time.perf_counter()
    with pool:
        document: dict[str, object] = {
            **measured_here(),
            "images": count,
            "mean_bytes": round(statistics.mean(map(len, files))),
            "workers": workers,
            "start_seconds": round(time.perf_counter() - began, 3),
            "start_processor_seconds": round(sum(map(worked, pool.pids)), 3),
            "memory_at_the_start_MB": [memory(pid) for pid in pool.pids],
        }
        layouts = {f"{threads} threads": measure(pool, files, count, rounds, threads) for threads in (1, workers)}
        document |= {"milliseconds_an_image": layouts}
        document["memory_afterwards_MB"] = [memory(pid) for pid in pool.pids]
        pool.decode(photograph(LARGE, seed=0))
        document["memory_after_a_large_image_whole_MB"] = [memory(pid) for pid in pool.pids]
        document["replaced_in_milliseconds"] = statistics.median(replaced(pool) for _ in range(rounds))
    extra = max(layout["extra_processor_time"] for layout in layouts.values())
    document["gate"] = f"{extra:.3f} ms more processor time an image, at most {MOST_EXTRA}"
    print(json.dumps(document, indent=1))
    sys.exit(0 if extra <= MOST_EXTRA else 7)


def measure(pool: DecodePool, files: list[bytes], count: int, rounds: int, threads: int) -> dict[str, float]:
    """Wall and processor time of an image, in milliseconds, in threads and in the pool."""
    ways: dict[str, Decode] = {
        "in_threads": lambda data: read_one(data, DecodeJob(framing=FRAMING)),
        "isolated": lambda data: pool.decode(data, framing=FRAMING),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with ThreadPoolExecutor(threads) as executor:
        for decode in ways.values():
            take_turn(executor, decode, files, len(files), pool.pids)
        for _ in range(rounds):
            for name, decode in ways.items():
                times[name].append(take_turn(executor, decode, files, count, pool.pids))
    figures = {
        f"{name}_{kind}": round(statistics.median(turn[place] for turn in turns), 3)
        for name, turns in times.items()
        for place, kind in enumerate(("wall", "processor_time"))
    }
    extra = [far[1] - near[1] for near, far in zip(times["in_threads"], times["isolated"], strict=True)]
    return figures | {"extra_processor_time": round(statistics.median(extra), 3)}


def take_turn(
    executor: ThreadPoolExecutor, decode: Decode, files: list[bytes], count: int, pids: tuple[int, ...]
) -> tuple[float, float]:
    """Milliseconds of an image: by the clock on the wall, and of processor time in all processes."""
    began, used = time.perf_counter(), time.process_time() + sum(map(worked, pids))
    reads = executor.map(decode, (files[number % len(files)] for number in range(count)))
    assert all(read.image is not None for read in reads)
    passed, spent = time.perf_counter() - began, time.process_time() + sum(map(worked, pids)) - used
    return 1000 * passed / count, 1000 * spent / count


def worked(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory(pid: int) -> float:
    """A process's proportional set size in megabytes: what it shares counts in parts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(round(int(line.split()[1]) * 1024 / 1e6, 1) for line in lines if line.startswith("Pss:"))


def replaced(pool: DecodePool) -> float:
    """Milliseconds from the death of a worker until all stand again."""
    began = time.perf_counter()
    os.kill(pool.pids[0], 9)
    while pool.standing == pool.count:
        pass
    while pool.standing < pool.count:
        pass
    return round(1000 * (time.perf_counter() - began), 1)


if __name__ == "__main__":
    main()
