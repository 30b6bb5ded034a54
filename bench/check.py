"""What a check costs beyond decoding: `vidi check` against decoding the same files once with as many workers.

`python -m bench.check [--images N] … [--rounds 3] [--output FILE]` prints one JSON document. Both are
measured in turns in one run, from the start of the worker processes to the end of the last, in wall and CPU seconds.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

from bench.photographs import SIZE, write_photographs
from vidi.data.checking.check import check_dataset
from vidi.data.dataset import Dataset
from vidi.data.read import read_dataset
from vidi.images.decode import decode_image
from vidi.machine import core_count

MOST_OVER_DECODING = 1.3
IMAGE_COUNTS = (5_000, 25_000)
CHUNK = 64  # files given to a decoding process at once


def measure(*, image_count: int, rounds: int, folder: Path) -> dict[str, object]:
    """The figures for one number of images, as one document."""
    paths: list[str] = []
    for index, name in enumerate(("first", "second")):
        paths += write_photographs(folder / str(image_count) / name, image_count // 2, seed=index * image_count)
    dataset = read_dataset(str(folder / str(image_count)))
    decoding, checking = [], []
    for _ in range(rounds):
        decoding.append(_timed(lambda: _decode_all(paths)))
        checking.append(_timed(lambda: _check(dataset)))
    ratios = [checked[0] / decoded[0] for checked, decoded in zip(checking, decoding, strict=True)]
    cpu_ratios = [checked[1] / decoded[1] for checked, decoded in zip(checking, decoding, strict=True)]
    return {
        "images": len(paths),
        "size": SIZE,
        "mean_bytes": round(statistics.mean(os.path.getsize(path) for path in paths)),
        "workers": core_count(),
        "decode_seconds": [round(wall, 2) for wall, _ in decoding],
        "check_seconds": [round(wall, 2) for wall, _ in checking],
        "decode_cpu_seconds": [round(cpu, 2) for _, cpu in decoding],
        "check_cpu_seconds": [round(cpu, 2) for _, cpu in checking],
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "cpu_ratio": round(statistics.median(cpu_ratios), 3),
        "cpu_ratio_range": [round(min(cpu_ratios), 3), round(max(cpu_ratios), 3)],
        "n": rounds,
        "met": statistics.median(ratios) <= MOST_OVER_DECODING,
    }


def _check(dataset: Dataset) -> None:
    result = check_dataset(dataset)
    if len(result.records) != result.account.used:
        raise RuntimeError("a generated photograph was refused")


def _decode_all(paths: Sequence[str]) -> None:
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(core_count(), mp_context=context) as processes:
        if sum(processes.map(decode_files, chunks)) != len(paths):
            raise RuntimeError("a file was not decoded")


def decode_files(paths: Sequence[str]) -> int:
    """Read and decode files one after the other, and keep nothing."""
    for path in paths:
        decode_image(Path(path).read_bytes())
    return len(paths)


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Wall seconds and CPU seconds, those of ended child processes included."""
    wall, cpu = time.perf_counter(), _cpu_seconds()
    work()
    return time.perf_counter() - wall, _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, action="append", help="how many; again for another count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        document = {
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("numpy", "pillow")},
            "runs": [
                measure(image_count=count, rounds=options.rounds, folder=Path(folder))
                for count in options.images or IMAGE_COUNTS
            ],
        }
    text = json.dumps(document, indent=1)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
