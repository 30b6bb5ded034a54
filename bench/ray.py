"""Whether spreading a prediction over Ray's workers costs much: 20,000 images on this computer's cores, both ways.

    python -m bench ray [--output FILE]  five minutes on two free cores
    IMAGES=2000 python -m bench ray      a look whether everything runs

The plain way is `vidi predict`, whose threads share one session; the other is `vidi predict --ray local`. Both write
the same rows, which are compared byte for byte. What Ray takes to start is measured apart: one image.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from bench.photographs import SIZE, write_photographs
from bench.processor import describe
from vidi.files import digest_of_file

IMAGES = int(os.environ.get("IMAGES", "20000"))
DISTINCT = 100  # photographs; the others are links to them
LEAST = 0.75  # of the plain way's rate


def main() -> int:
    """Measure and print; 1 where the bar is missed or the rows differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="also write the figures to a JSON file")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, kind in enumerate(("cloud", "leaf")):
            write_photographs(folder / "photographs" / kind, DISTINCT // 2, seed=number * DISTINCT)
        command("train", folder / "photographs", "--output", folder / "run", "--minutes", "1")
        (folder / "many").mkdir()
        distinct = sorted(path for path in (folder / "photographs").rglob("*") if path.is_file())
        for number in range(IMAGES):
            os.link(distinct[number % len(distinct)], folder / "many" / f"{number:06}{distinct[0].suffix}")
        predict = ("predict", folder / "run")
        start = command(*predict, distinct[0], "--ray", "local") - command(*predict, distinct[0])
        plain = command(*predict, folder / "many", "--jsonl", "--output", folder / "plain.jsonl")
        spread = command(*predict, folder / "many", "--jsonl", "--output", folder / "ray.jsonl", "--ray", "local")
        is_same = digest_of_file(folder / "plain.jsonl") == digest_of_file(folder / "ray.jsonl")
    ratio = plain / max(spread - start, 1e-9)
    print(f"{describe()}; ray {version('ray')}, onnxruntime {version('onnxruntime')}; {IMAGES:,} images")
    print(f"{load:.1f} processes ran beside it at its start")
    print(
        f"plain {plain:.1f} s, Ray {spread:.1f} s of which {start:.1f} s to start; "
        f"the rows are {'equal' if is_same else 'NOT equal'}"
    )
    print(f"{ratio:.2f} of the plain rate (bar {LEAST}): {'met' if ratio >= LEAST else 'NOT met'}")
    if given.output is not None:
        document = {
            "processor": describe(),
            "versions": {name: version(name) for name in ("ray", "onnxruntime", "numpy", "pillow")},
            "images": IMAGES,
            "image_size": SIZE,
            "load_before": round(load, 2),
            "plain_seconds": round(plain, 1),
            "ray_seconds": round(spread, 1),
            "ray_start_seconds": round(start, 1),
            "rows_are_equal": is_same,
            "ratio": round(ratio, 3),
        }
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(json.dumps(document, indent=1) + "\n")
    return int(not is_same or ratio < LEAST)


def command(*words: object) -> float:
    """Run vidi, and return the seconds it took."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "vidi", *map(str, words)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
