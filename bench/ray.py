"""Whether spreading a prediction over Ray's workers costs much: 20,000 images on this computer's cores, both ways.

    python -m bench ray [--output FILE]  five minutes on two free cores
    IMAGES=2000 python -m bench ray      a look whether everything runs

The plain way is `vidi predict`, whose threads share one session; the other is `vidi predict --ray local`. Both write
the same rows, which are compared byte for byte. They take turns, a quarter of the images each time, so that whatever
else runs disturbs both alike. What Ray takes to start is measured apart: one image.
"""

import argparse
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from bench.photographs import SIZE, write_photographs
from bench.processor import measured_here
from vidi.files import digest_of_file

IMAGES = int(os.environ.get("IMAGES", "20000"))
ROUNDS = 4
DISTINCT = 100  # photographs; the others are links to them
LEAST = 0.75  # of the plain way's rate
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of Linux


def main() -> int:
    """Measure and print; 1 where the bar is missed or the rows differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="also write the figures to a JSON file")
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        plain, spread, start, is_same = measured(Path(name))
    ratios = [one[0] / max(other[0] - start[0], 1e-9) for one, other in zip(plain, spread, strict=True)]
    ratio = statistics.median(ratios)
    document = {
        **measured_here(),
        "versions": {name: version(name) for name in ("ray", "onnxruntime", "numpy", "pillow")},
        "images": IMAGES,
        "image_size": SIZE,
        "load_before": round(load, 2),
        "plain_seconds": [round(one[0], 1) for one in plain],
        "ray_seconds": [round(one[0], 1) for one in spread],
        "ray_start_seconds": round(start[0], 1),
        "rows_are_equal": is_same,
        "ratios": [round(one, 3) for one in ratios],
        "ratio": round(ratio, 3),
    }
    text = json.dumps(document, indent=1)
    print(text)
    print(f"{ratio:.2f} of the plain rate (bar {LEAST}): {'met' if ratio >= LEAST else 'NOT met'}")
    if given.output is not None:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text + "\n")
    return int(not is_same or ratio < LEAST)


Seconds = tuple[float, float]  # wall, processor


def measured(folder: Path) -> tuple[list[Seconds], list[Seconds], Seconds, bool]:
    """Seconds of each round plainly and on Ray, those that Ray takes to start, and whether the rows are equal."""
    for number, kind in enumerate(("cloud", "leaf")):
        write_photographs(folder / "photographs" / kind, DISTINCT // 2, seed=number * DISTINCT)
    command("train", folder / "photographs", "--output", folder / "run", "--minutes", "1")
    distinct = sorted(path for path in (folder / "photographs").rglob("*") if path.is_file())
    for turn in range(ROUNDS):
        (folder / f"{turn}").mkdir()
        for number in range(IMAGES // ROUNDS):
            os.link(distinct[number % DISTINCT], folder / f"{turn}" / f"{number:06}{distinct[0].suffix}")
    predict = ("predict", folder / "run")
    one = command(*predict, distinct[0])
    first = command(*predict, distinct[0], "--ray", "local")
    plain, spread, is_same = [], [], True
    for turn in range(ROUNDS):
        words = [*predict, folder / f"{turn}", "--jsonl", "--output"]
        plain.append(command(*words, folder / "plain.jsonl"))
        spread.append(command(*words, folder / "ray.jsonl", "--ray", "local"))
        is_same &= digest_of_file(folder / "plain.jsonl") == digest_of_file(folder / "ray.jsonl")
    return plain, spread, (first[0] - one[0], first[1] - one[1]), is_same


def command(*words: object) -> Seconds:
    """Run vidi, and return the seconds and the processor seconds that it took."""
    began, used = time.perf_counter(), processor_seconds()
    subprocess.run(
        [sys.executable, "-m", "vidi", *map(str, words)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"RAY_worker_niceness": "0"},  # Ray's 15 would let all other work go before its workers alone
    )
    seconds = time.perf_counter() - began
    while True:  # what it left behind counts when it has ended
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    return seconds, processor_seconds() - used


def processor_seconds() -> float:
    """Those of all processes that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    sys.exit(main())
