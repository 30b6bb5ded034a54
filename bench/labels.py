"""What a labels file of 100,000 images costs: `python -m bench labels [--images 100000] [--output FILE]`.

Reading it is compared with parsing its lines alone, by `json.loads` one after the other; adding one answer to a copy
of it, which is on the disk when it returns, with writing a table of all answers anew, which is what a file that is not
only appended to takes. Each is done in turns, and the medians and their ratios are printed.
"""

import argparse
import csv
import io
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.processor import measured_here
from vidi.data.labels import LabelsFile, Opinion, read_labels
from vidi.files import digest_of, write_atomic

ROUNDS: Final = 7
ADDED: Final = 40  # answers, in each round
IN_BULK: Final = 10_000
MOST_READ, MOST_ADD, MOST_BULK = 0.5, 0.005, 1.0  # seconds


def opinion(number: int, key: str) -> Opinion:
    """Somebody's answer about one image."""
    return Opinion(
        key=key,
        digest=digest_of(str(number).encode()),
        path=f"photos/{number // 1000:03}/{number:06}.jpg",
        at=1.8e9 + number,
        source="ana",
        via="review",
        kind="label",
        labels=(f"class {number % 10}",),
    )


def seconds_for(do: Callable[[], object]) -> float:
    """How long something takes, once."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def parse_lines(path: Path) -> int:
    """Parse each line by itself."""
    return sum(bool(json.loads(line)) for line in path.read_bytes().splitlines())


def write_table(path: Path, opinions: list[Opinion]) -> None:
    """Write all answers anew, as a table."""
    text = io.StringIO()
    csv.writer(text).writerows((one.digest, one.path, one.source, one.at, *one.labels) for one in opinions)
    write_atomic(path, text.getvalue())


def main() -> int:
    """Measure, print, and keep the result where it is asked for; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, table = Path(folder) / "photos.labels.jsonl", Path(folder) / "photos.csv"
        opinions = [opinion(number, f"key-{number}") for number in range(options.images)]
        labels = LabelsFile(path)
        labels.add([opinions[0]])
        head = json.loads(path.read_bytes())
        rows = (
            {**head, "key": one.key, "digest": one.digest, "path": one.path, "labels": one.labels} for one in opinions
        )
        path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows), "utf-8")
        grown = LabelsFile(path.with_name("grown.labels.jsonl"))
        shutil.copyfile(path, grown.path)
        grown.opinions()
        seconds: dict[str, list[float]] = {"read": [], "lines": [], "add": [], "table": [], "bulk": []}
        for number in range(ROUNDS):
            seconds["read"].append(seconds_for(lambda: read_labels(path)))
            seconds["lines"].append(seconds_for(lambda: parse_lines(path)))
            for added in range(ADDED):
                one = opinion(added, f"more-{number}-{added}")
                seconds["add"].append(seconds_for(lambda one=one: grown.add([one])))
            seconds["table"].append(seconds_for(lambda: write_table(table, opinions)))
            many = [opinion(image, f"bulk-{number}") for image in range(min(IN_BULK, options.images))]
            seconds["bulk"].append(seconds_for(lambda many=many: grown.add(many)))
        found = {name: statistics.median(taken) for name, taken in seconds.items()}
    bars = {"read": MOST_READ, "add": MOST_ADD, "bulk": MOST_BULK}
    print(
        f"reading {options.images:,} labels: {found['read']:.2f} s, {found['read'] / found['lines']:.2f} of their lines"
    )
    print(f"adding one: {1000 * found['add']:.1f} ms, a table {found['table'] / found['add']:,.0f} times as long")
    print(f"adding {IN_BULK:,} at once: {found['bulk']:.2f} s")
    missed = [name for name, bar in bars.items() if found[name] > bar]
    print("every bar is met" if not missed else f"missed: {', '.join(missed)}")
    if options.output is not None:
        about = {
            **measured_here(),
            "versions": {"python": platform.python_version()},
            "images": options.images,
            "rounds": ROUNDS,
        }
        text = json.dumps(
            {**about, "seconds": {name: round(one, 5) for name, one in found.items()}, "missed": missed}, indent=1
        )
        write_atomic(options.output, text + "\n")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
