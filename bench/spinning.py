"""Training beside another busy process: threads that sleep while they wait, that look around first, that spin.

    python -m bench spinning

One step of the compact network at 32 x 32 pixels, batch 64, float32, with each setting in turn, first alone, then
beside as many busy processes as there are cores. Prints medians, their ratio, n and versions.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version

from vidi.machine import SHORT_WAIT

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


SETTINGS = {
    "asleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    f"after {SHORT_WAIT} looks": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": SHORT_WAIT},
    "after 10000 looks": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"},
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
}


def step_milliseconds(setting: Mapping[str, str]) -> float:
    """One training step in a process of its own."""
    environment = {**os.environ, **setting}
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
        times: dict[str, list[float]] = {name: [] for name in SETTINGS}
        for _ in range(ROUNDS):
            for name, measured in times.items():
                measured.append(step_milliseconds(SETTINGS[name]))
        stop.set()
        for process in busy:
            process.join()
        medians = {name: statistics.median(measured) for name, measured in times.items()}
        usual = medians[f"after {SHORT_WAIT} looks"]
        shown = ", ".join(f"{name} {median:.0f} ms ({median / usual:.2f})" for name, median in medians.items())
        print(f"beside {beside} busy processes, a step: {shown}")


if __name__ == "__main__":
    main()
