"""Training beside another busy process: threads that sleep while they wait, against threads that spin.

    python -m bench spinning

One step of the compact network at 32 x 32 pixels, batch 64, float32, with both settings in turn, first alone, then
beside as many busy processes as there are cores. Prints medians, their ratio, n and versions.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys
from importlib.metadata import version

ROUNDS = 3
STEP = """
import time, torch
from vidi.networks.build import build_network
network = build_network("compact", image_size=(32, 32), class_count=10).to(memory_format=torch.channels_last)
images = torch.zeros(64, 3, 32, 32).to(memory_format=torch.channels_last)
labels = torch.zeros(64, dtype=torch.int64)
for count in (5, 20):
    start = time.perf_counter()
    for _ in range(count):
        torch.nn.functional.cross_entropy(network(images), labels).backward()
print((time.perf_counter() - start) / count * 1000)
"""


def step_milliseconds(policy: str) -> float:
    """One training step in a process of its own."""
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    result = subprocess.run([sys.executable, "-c", STEP], env=environment, capture_output=True, text=True, check=True)
    return float(result.stdout)


def spin(stop: "multiprocessing.synchronize.Event") -> None:
    """Keep one core busy."""
    while not stop.is_set():
        sum(range(10_000))


def main() -> None:
    """Measure and print."""
    cores = len(os.sched_getaffinity(0))
    print(f"torch {version('torch')}, {cores} cores, n = {ROUNDS} processes of 20 steps each, medians")
    for beside in (0, cores):
        stop = multiprocessing.Event()
        busy = [multiprocessing.Process(target=spin, args=(stop,)) for _ in range(beside)]
        for process in busy:
            process.start()
        times: dict[str, list[float]] = {"PASSIVE": [], "ACTIVE": []}
        for _ in range(ROUNDS):
            for policy, measured in times.items():
                measured.append(step_milliseconds(policy))
        stop.set()
        for process in busy:
            process.join()
        asleep, spinning = (statistics.median(times[policy]) for policy in ("PASSIVE", "ACTIVE"))
        print(f"beside {beside} busy processes: asleep {asleep:.0f} ms, spinning {spinning:.0f} ms a step, "
              f"spinning / asleep {spinning / asleep:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
