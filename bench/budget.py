"""How far `--minutes` is overrun: twenty short trainings and searches, each a process of its own.

    VIDI_DATA=… python -m bench budget

Three kinds of clothes, 25 and 100 photographs each; every run has an empty cache. Seconds count from the start of the
process to its end, Python's own start included. Each run leaves one JSON in bench/results/budget/, or in the folder
that RESULTS names; what is there is not run again.
"""

import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.accuracy import THREE
from bench.processor import describe, kind, measured_here
from bench.time_to_accuracy import kept
from bench.timed import run_timed

MOST_OVER = 10.0  # seconds
MINUTES = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0)
COUNTS = (75, 300)  # images
API = "import sys, vidi; vidi.train(sys.argv[1], minutes=float(sys.argv[2]), output=sys.argv[3])"


@dataclass(frozen=True, slots=True)
class PredictQuery:
    """One run: what is asked for, in how many minutes, of how many images."""

    way: str  # `train`, `scratch`, `tune` or `python`
    minutes: float
    images: int

    @property
    def name(self) -> str:
        """As its file is called."""
        return f"{self.way}-{self.minutes:g}-{self.images}"


RUNS: Sequence[PredictQuery] = (
    *(PredictQuery("train", minutes, images) for images in COUNTS for minutes in MINUTES),
    PredictQuery("scratch", 0.5, 75),
    PredictQuery("scratch", 1.0, 300),
    PredictQuery("tune", 0.5, 75),
    PredictQuery("tune", 1.0, 75),
    PredictQuery("tune", 1.0, 300),
    PredictQuery("tune", 1.5, 300),
    PredictQuery("python", 0.3, 75),
    PredictQuery("python", 0.75, 300),
)


def main() -> int:
    """Run what is missing, and print the table; 1 where a run took more than ten seconds over its minutes."""
    archive = Path(os.environ.get("VIDI_DATA", ".")) / "clothing.zip"
    if not archive.exists():
        print(f"{archive} is not there: left out", file=sys.stderr)
        return 0
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "budget")) / kind()
    print(f"{describe()}; at most {MOST_OVER:g} s over the minutes\n| run | minutes | images | seconds | over |")
    print("|---|---|---|---|---|")
    over = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for asked in RUNS:
            found = kept(results / f"{asked.name}.json", lambda one=asked: measure(one, archive, folder))
            over.append(found["seconds"] - 60 * asked.minutes)
            row = (asked.way, f"{asked.minutes:g}", asked.images, f"{found['seconds']:.1f}", f"{over[-1]:+.1f}")
            print(f"| {' | '.join(map(str, row))} |", flush=True)
    kept_count = sum(one <= MOST_OVER for one in over)
    print(f"{kept_count} of {len(over)} at most {MOST_OVER:g} s over")
    return 0 if kept_count == len(over) else 1


def measure(asked: PredictQuery, archive: Path, folder: Path) -> dict[str, Any]:
    """One process: its seconds, and those of its stages."""
    data, output = photographs(archive, folder / f"of-{asked.images}", asked.images), folder / asked.name
    minutes = f"{asked.minutes:g}"
    words = ["-m", "vidi", "tune" if asked.way == "tune" else "train", str(data), "--minutes", minutes]
    words += ["--output", str(output), *(["--pretrained", "none"] if asked.way == "scratch" else [])]
    if asked.way == "python":
        words = ["-c", API, str(data), minutes, str(output)]
    seconds, _ = run_timed(words, cache=Path(f"{output}-cache"))
    metrics = output / "metrics.json"
    stages = json.loads(metrics.read_text())["seconds"] if metrics.exists() else {}
    return {"seconds": round(seconds, 2), "stages": stages, **measured_here()}


def photographs(archive: Path, folder: Path, count: int) -> Path:
    """Class folders with the first photographs of three kinds."""
    if folder.exists():
        return folder
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(".jpg"))
        for label in THREE:
            (folder / label).mkdir(parents=True)
            of_label = [name for name in names if Path(name).parent.name == label]
            for number, name in enumerate(of_label[: count // len(THREE)]):
                (folder / label / f"{number:03}.jpg").write_bytes(opened.read(name))
    return folder


if __name__ == "__main__":
    sys.exit(main())
