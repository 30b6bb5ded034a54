"""Wrong labels planted into real images, and how many of them `vidi train` lists.

    VIDI_DATA=… python -m bench label_errors                       both sets, whole
    SET=fashion-mnist IMAGES=6000 python -m bench label_errors    one set, a part of it

Five in a hundred labels of the images to learn from are changed into another class, drawn by lot (SEED). A set's own
wrong labels count as mistakes of the list, so its precision is a lower bound. Each set leaves one JSON in
bench/results/label_errors/, or in the folder that RESULTS names.
"""

import csv
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from bench.accuracy import CLOTHING_PARTS, processor  # noqa: E402
from bench.processor import today  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.metrics.intervals import wilson_interval  # noqa: E402
from vidi.workflows.interaction.request import DataRequest  # noqa: E402
from vidi.workflows.requests.train import Diagnostics  # noqa: E402
from vidi.workflows.train import TrainRequest, train  # noqa: E402

SHARE = 0.05  # of the labels are changed
BAR = 0.6  # of precision and of recall
SETS: Mapping[str, Mapping[str, str]] = {"clothing": CLOTHING_PARTS, "fashion-mnist": {}}  # parts, as `--parts`
LEARNED = ("train", "validation")


def main() -> int:
    """Measure the sets that were asked for; 1 where one does not reach the bar."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "label_errors"))
    limit, seed = int(os.environ.get("IMAGES", "0")), int(os.environ.get("SEED", "0"))
    names = [name for name in SETS if os.environ.get("SET", "") in ("", name)]
    print("| images | looked at | planted | listed | precision | recall | seconds |")
    print("|---|---|---|---|---|---|---|")
    reached = True
    for name in names:
        if not (data / "clothing.zip" if name == "clothing" else data / name).exists():
            print(f"{name} is not in VIDI_DATA ({data}): left out", file=sys.stderr)
            continue
        found = measure(name, data=data, limit=limit, seed=seed)
        write_atomic(results / f"{name}-{seed}{f'-{limit}' if limit else ''}.json", json.dumps(found, indent=1) + "\n")
        precision, recall = found["precision"], found["recall"]
        shown = [f"{one['value']:.2f} ({one['low']:.2f} – {one['high']:.2f})" for one in (precision, recall)]
        print(
            f"| {name} | {found['looked_at']:,} | {found['planted']:,} | {found['listed']:,} | {shown[0]} | {shown[1]} "
            f"| {found['seconds']} |"
        )
        reached &= min(precision["value"], recall["value"]) >= BAR
    return 0 if reached else 1


def measure(name: str, *, data: Path, limit: int, seed: int) -> dict[str, object]:
    """Plant, train with features of lite0, and compare the list with what was planted."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "images"
        files = unpack_clothing(data, place) if name == "clothing" else unpack_fashion(data / name, place)
        kept = thin(list(files), limit=limit, seed=seed)
        plant(kept, seed=seed)
        start = time.monotonic()
        run = train(
            TrainRequest(
                data=DataRequest(source=str(place), parts=SETS[name]),
                pretrained="lite0",
                diagnostics=Diagnostics(find_label_errors=True),
                output=Path(folder) / "run",
            )
        )
        seconds = round(time.monotonic() - start, 1)
        looked_at = [row["path"] for row in rows_of(run.folder / "splits.csv") if row["part"] in LEARNED]
        listed = {row["path"] for row in rows_of(run.folder / "label_errors.csv")}
    planted = {path for path in looked_at if "planted-" in path}
    both = len(listed & planted)
    return {
        "seed": seed,
        "looked_at": len(looked_at),
        "planted": len(planted),
        "listed": len(listed),
        "precision": share(both, len(listed)),
        "recall": share(both, len(planted)),
        "seconds": seconds,
        "date": today(),
        "processor": processor(),
        "versions": {package: version(package) for package in ("vidi", "cleanlab", "scikit-learn", "torch")},
    }


def share(hits: int, count: int) -> dict[str, float]:
    """A share with its Wilson interval."""
    interval = wilson_interval(hits, count)
    if interval is None:
        return {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}
    return {"value": hits / count, "low": interval.low, "high": interval.high, "n": count}


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def unpack_clothing(data: Path, place: Path) -> Iterator[Path]:
    """Unpack the archive; gives the files of its folder `train`."""
    with zipfile.ZipFile(data / "clothing.zip") as archive:
        archive.extractall(place)
    yield from sorted(file for file in place.rglob("*") if file.is_file() and file.parent.parent.name == "train")


def unpack_fashion(source: Path, place: Path) -> Iterator[Path]:
    """Write the training images as PNG files in class folders; gives the files."""
    import gzip

    with gzip.open(source / "train-images-idx3-ubyte.gz") as stream:
        images = np.frombuffer(stream.read()[16:], np.uint8).reshape(-1, 28, 28)
    with gzip.open(source / "train-labels-idx1-ubyte.gz") as stream:
        labels = np.frombuffer(stream.read()[8:], np.uint8)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = place / f"class-{label}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        yield path


def thin(files: list[Path], *, limit: int, seed: int) -> list[Path]:
    """Delete all but so many files, drawn by lot; 0 keeps all."""
    if not limit:
        return files
    order = np.random.default_rng([seed, 1]).permutation(len(files)).tolist()
    for number in order[limit:]:
        files[number].unlink()
    return [files[number] for number in sorted(order[:limit])]


def plant(files: list[Path], *, seed: int) -> None:
    """Move some files, drawn by lot, into the folder of another class; their names then begin with `planted-`."""
    random = np.random.default_rng([seed, 2])
    classes = sorted({file.parent for file in files})
    for number in random.permutation(len(files))[: round(SHARE * len(files))].tolist():
        file = files[number]
        others = [folder for folder in classes if folder != file.parent]
        file.rename(others[int(random.integers(len(others)))] / f"planted-{file.parent.name}-{file.name}")


if __name__ == "__main__":
    sys.exit(main())
