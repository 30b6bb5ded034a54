"""Photo sets in three minutes: `vidi train --minutes 3` beside a plain logistic regression on frozen features.

    VIDI_DATA=… python -m bench photo_sets

Six sets of 200 to 1,000 images to learn from, made of training images alone, so that methods may be chosen by them:
photographs of clothes, crops of photographs (COCO), faces, and enlarged images of CIFAR-10 and Fashion-MNIST. All learn
from the same files and are scored on the same others. The rivals see a centre crop of 224 x 224 pixels; they run in
benchmarks/.venv where it is, else beside vidi. SET names one set; DRAWS is how often each is drawn (1). Each training
leaves one JSON in bench/results/photo_sets/, or in the folder that RESULTS names; what is there is not trained again.
"""

import gzip
import io
import json
import os
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.engine import RIVALS, RIVALS_PYTHON, run
from bench.processor import describe, kind, measured_here
from bench.time_to_accuracy import kept
from bench.timed import run_timed

MINUTES, MOST_OVER = 3, 10  # and seconds that a run may take beyond them
AHEAD = 0.02  # of either rival, in the mean of the sets
WAYS = ("vidi", "lite0", "lite2")
ENLARGED = 128  # pixels a side
LEAST_SIDE, LEAST_OF_CLASS, MOST_OF_CLASS = 24, 6, 60  # of COCO's boxes: pixels, and crops of a class
JPEG = b"\xff\xd8"
SURELY = 1.96  # standard errors

Labelled = Iterator[tuple[str, str, bytes]]  # class, group, and the image as a file


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSet:
    """Where images come from, and how many are drawn."""

    source: str  # in VIDI_DATA
    read: Callable[[Path], Labelled]
    learnt: int
    scored: int


def read_clothing(path: Path) -> Labelled:
    """Photographs of the part `train`."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith("train/") and name.endswith(".jpg"):
                yield Path(name).parent.name, name, archive.read(name)


def read_faces(path: Path) -> Labelled:
    """Ten faces of each of forty people."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".pgm"):
                yield Path(name).parent.name, name, as_png(Image.open(io.BytesIO(archive.read(name))))


def read_coco(path: Path) -> Labelled:
    """Boxes of the classes that have enough of them, cut out; those of one photograph are one group."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".txt") and "/labels/" in name]
        boxes = [(name, *line.split()) for name in names for line in archive.read(name).decode().splitlines()]
        cut = [(label, name, crop) for name, label, *box in boxes if (crop := cut_out(archive, name, box)) is not None]
    counts = {label: sum(one[0] == label for one in cut) for label, _, _ in cut}
    random, taken = np.random.default_rng(0), dict.fromkeys(counts, 0)
    for index in random.permutation(len(cut)).tolist():
        label, name, crop = cut[index]
        taken[label] += 1
        if counts[label] >= LEAST_OF_CLASS and taken[label] <= MOST_OF_CLASS:
            yield label, name, crop


def cut_out(archive: zipfile.ZipFile, name: str, box: list[str]) -> bytes | None:
    """One box of a YOLO file as an image; None where it is too small to tell what it shows."""
    with Image.open(io.BytesIO(archive.read(name.replace("/labels/", "/images/").replace(".txt", ".jpg")))) as image:
        x, y, width, height = np.array(box, float) * np.tile(image.size, 2)
        edges = [round(edge) for edge in (x - width / 2, y - height / 2, x + width / 2, y + height / 2)]
        return None if min(width, height) < LEAST_SIDE else as_png(image.convert("RGB").crop(edges))


def read_cifar10(path: Path) -> Labelled:
    """The first training images, enlarged."""
    records = np.fromfile(path / "data_batch_1.bin", np.uint8).reshape(-1, 3073)
    for index, record in enumerate(records[:3_000]):
        yield f"{record[0]}", f"{index}", enlarged(record[1:].reshape(3, 32, 32).transpose(1, 2, 0))


def read_fashion(path: Path) -> Labelled:
    """The first training images, enlarged."""
    pixels = np.frombuffer(gzip.decompress((path / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, -1, 16)
    labels = np.frombuffer(gzip.decompress((path / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, -1, 8)
    for index, image in enumerate(pixels.reshape(-1, 28, 28)[:3_000]):
        yield f"{labels[index]}", f"{index}", enlarged(image)


def enlarged(pixels: Any) -> bytes:
    """Pixels at the size of a small photograph."""
    return as_png(Image.fromarray(pixels).resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC))


def as_png(image: Image.Image) -> bytes:
    """An image as a file without loss."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


SETS: Mapping[str, PhotoSet] = {
    "clothing-400": PhotoSet(source="clothing.zip", read=read_clothing, learnt=400, scored=600),
    "clothing-1000": PhotoSet(source="clothing.zip", read=read_clothing, learnt=1_000, scored=600),
    "coco-crops": PhotoSet(source="coco128.zip", read=read_coco, learnt=200, scored=200),
    "faces": PhotoSet(source="faces-orl.zip", read=read_faces, learnt=200, scored=200),
    "cifar10-500": PhotoSet(source="cifar10", read=read_cifar10, learnt=500, scored=600),
    "fashion-700": PhotoSet(source="fashion-mnist", read=read_fashion, learnt=700, scored=600),
}


def main() -> int:
    """Measure what is missing, and print the table; 1 where a bar is not reached."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "photo_sets")) / kind()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for wanted, one in SETS.items():
            if os.environ.get("SET", wanted) != wanted or not (data / one.source).exists():
                continue
            for draw in range(int(os.environ.get("DRAWS", "1"))):
                folder = partial(write_set, one, data, Path(name) / f"{wanted}-{draw}", draw=draw)
                rows.append((wanted, measure_set(f"{wanted}-{draw}", folder, results)))
    if not rows:
        print(f"{data} has none of these sets: left out", file=sys.stderr)
        return 0
    return 0 if report(rows) else 1


def measure_set(name: str, folder: Callable[[], Path], results: Path) -> dict[str, dict[str, Any]]:
    """What each contestant reaches on one set; measured now where it is not kept."""
    return {way: kept(results / f"{name}-{way}.json", lambda w=way: measure(w, folder())) for way in WAYS}


def write_set(wanted: PhotoSet, data: Path, target: Path, *, draw: int) -> Path:
    """The folders `train` and `test` of one draw; images of a group are on one side, and classes as uneven as ever."""
    if target.exists():
        return target
    images = list(wanted.read(data / wanted.source))
    random = np.random.default_rng([draw, 0x5E7])
    groups = sorted({group for _, group, _ in images})
    place = dict(zip(random.permutation(groups).tolist(), range(len(groups)), strict=True))
    order = sorted(range(len(images)), key=lambda index: place[images[index][1]])
    if wanted.source == "faces-orl.zip":  # of few images a class, as many of each
        order = evenly(order, [images[index][0] for index in order])
    learnt, rest = order[: wanted.learnt], order[wanted.learnt :]
    known = {images[index][0] for index in learnt}
    cut = {images[index][1] for index in learnt}  # a photograph at the border stays on the side of learning
    scored = [index for index in rest if images[index][0] in known and images[index][1] not in cut]
    for part, indexes in (("train", learnt), ("test", scored[: wanted.scored])):
        for label in known:  # a class without an image keeps its number
            (target / part / label).mkdir(parents=True)
        for index in indexes:
            label, group, content = images[index]
            suffix = "jpg" if content.startswith(JPEG) else "png"
            path = target / part / label / f"{Path(group).stem}-{index}.{suffix}"
            path.write_bytes(content)
    return target


def evenly(order: list[int], labels: list[str]) -> list[int]:
    """The first of each class, then the second of each …

    >>> evenly([5, 6, 7], ["cat", "cat", "dog"])
    [5, 7, 6]
    """
    seen: dict[str, int] = {}
    ranks = []
    for label in labels:
        ranks.append(seen.get(label, 0))
        seen[label] = ranks[-1] + 1
    return [index for _, index in sorted(zip(ranks, order, strict=True), key=lambda one: one[0])]


def measure(way: str, folder: Path) -> dict[str, Any]:
    """One contestant's accuracy and seconds."""
    learnt = sum(path.is_file() for path in (folder / "train").rglob("*"))
    if way != "vidi":
        python = RIVALS_PYTHON if RIVALS_PYTHON.exists() else sys.executable
        command = str(python), str(RIVALS / "frozen_features.py"), str(folder), "--variant", way, "--crop"
        return {"learnt": learnt, **run(*command)}
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "run"
        words = ["-m", "vidi", "train", str(folder), "--minutes", str(MINUTES), "--output", str(output)]
        seconds, done = run_timed(words, cache=Path(name) / "cache")
        metrics = json.loads((output / "metrics.json").read_text())
        told = [
            line for line in done.stderr.splitlines() if line.startswith(("compared", "chosen", "fine-tune", "Short"))
        ]
    found = metrics["test"]["accuracy"]
    return {
        "learnt": learnt,
        "accuracy": found["value"],
        "n": found["n"],
        "seconds": round(seconds, 2),
        "stages": metrics["seconds"],
        "told": told,
        "versions": {package: version(package) for package in ("vidi", "torch", "scikit-learn", "numpy")},
        **measured_here(),
    }


def report(rows: list[tuple[str, dict[str, dict[str, Any]]]]) -> bool:
    """Print the table and whether each bar is met; true when all are."""
    print(f"{describe()}; {MINUTES} minutes; versions {rows[0][1]['vidi']['versions']}")
    print(
        "| set | learned from | n | vidi | seconds | logistic regression on Lite0 | … on Lite2 | ahead of the better |"
    )
    print("|---|---|---|---|---|---|---|---|")
    behind = []
    for name, found in rows:
        own, best = found["vidi"], max(found[way]["accuracy"] for way in WAYS[1:])
        print(
            f"| {name} | {own['learnt']} | {own['n']} | {own['accuracy']:.1%} | {own['seconds']:.0f} "
            f"| {found['lite0']['accuracy']:.1%} | {found['lite2']['accuracy']:.1%} "
            f"| {100 * (own['accuracy'] - best):+.1f} |"
        )
        error = sum(p * (1 - p) / own["n"] for p in (own["accuracy"], best)) ** 0.5
        if own["accuracy"] - best < -SURELY * error:
            behind.append(name)
    means = {way: statistics.mean(found[way]["accuracy"] for _, found in rows) for way in WAYS}
    print(f"| mean | | | {means['vidi']:.1%} | | {means['lite0']:.1%} | {means['lite2']:.1%} | |")
    ahead = means["vidi"] - max(means[way] for way in WAYS[1:])
    longest = max(found["vidi"]["seconds"] for _, found in rows)
    bars = {
        f"{100 * AHEAD:g} points ahead of either in the mean ({100 * ahead:+.1f})": ahead >= AHEAD,
        "behind on none beyond chance": not behind,
        f"at most {60 * MINUTES + MOST_OVER} s ({longest:.0f})": longest <= 60 * MINUTES + MOST_OVER,
    }
    print("; ".join(f"{bar}: {'met' if met else 'NOT met'}" for bar, met in bars.items()))
    return all(bars.values())


if __name__ == "__main__":
    sys.exit(main())
