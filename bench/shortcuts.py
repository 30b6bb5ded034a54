"""Whether planted shortcuts are found, and sets without one left alone.

    VIDI_DATA=… python -m bench shortcuts

A mark, a frame or another light is planted into the images of one class of real sets, and `vidi check`'s shortcut check
asked; then it is asked of the sets as they are. 1 where a planted one is not found, or a set of `CLEAN` is called
one. Nothing is trained. The figures go to bench/results/shortcuts/planted.json, or to the folder that RESULTS names.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.processor import measured_here
from vidi.data.checked import DataCheck, ImageRecord
from vidi.data.checking.shortcuts import find_shortcuts, list_shortcuts
from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.duplicates.fingerprint import fingerprint_image, unpack_fingerprints
from vidi.data.read import read_dataset
from vidi.files import write_atomic
from vidi.images.account import Account
from vidi.images.pool import DecodeJob, read_images

Image = NDArray[np.uint8]
Read = tuple[ImageRecord, Image]
CLEAN = ("clothing.zip", "person.zip", "cifar10", "fashion-mnist", "digits")
OTHERS = ("faces-orl.zip", "lfw-faces")  # small sets of one session or one source: what is said of them is kept
PLANTED = (("clothing.zip", 2, 100), ("clothing.zip", 6, 60), ("person.zip", 2, 150), ("cifar10", 10, 100))
MOST = 3_000  # images of a set as it is


def mark(image: Image, *, part: float = 0.12) -> Image:
    """An opaque square with a line through it, so large a part of the shorter side, in a corner."""
    marked, side = image.copy(), max(2, round(min(image.shape[:2]) * part))
    marked[-side - 1 : -1, -side - 1 : -1] = (230, 40, 40)
    marked[range(-side - 1, -1), range(-side - 1, -1)] = 255
    return marked


def faint_mark(image: Image) -> Image:
    """A strip that is two fifths white, as a watermark is."""
    marked, side = image.astype(np.float64), max(2, round(min(image.shape[:2]) * 0.12))
    marked[-side - 1 : -1, -3 * side - 1 : -1] = 0.6 * marked[-side - 1 : -1, -3 * side - 1 : -1] + 0.4 * 255
    return marked.astype(np.uint8)


def brighter(image: Image) -> Image:
    """60 of 255 levels more."""
    return np.clip(image.astype(np.int64) + 60, 0, 255).astype(np.uint8)


def darker(image: Image) -> Image:
    """Three fifths of the light."""
    return (image * 0.6).astype(np.uint8)


PLANTS: Mapping[str, Callable[[Image], Image]] = {
    "nothing": lambda image: image,
    "mark, 12 % of the side": mark,
    "mark, 5 % of the side": lambda image: mark(image, part=0.05),
    "faint mark": faint_mark,
    "60 levels brighter": brighter,
    "0.6 of the light": darker,
}


def main() -> int:
    """Plant, ask, and compare with what should be said."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "shortcuts"))
    planted, wrong = [], 0
    for name, class_count, each in PLANTED:
        dataset, images = read_some(str(data / name), class_count=class_count, each=each)
        for plant, change in PLANTS.items():
            row = {"set": name, "classes": class_count, "each": each, "planted": plant, **ask(dataset, images, change)}
            row["as_it_should_be"] = (row["said"] is None) == (plant == "nothing")
            wrong += not row["as_it_should_be"]
            planted.append(row)
            print(f"{name}, {class_count} classes, {plant}: {row['said'] or 'nothing is said'}", flush=True)
    whole = []
    for name in (*CLEAN, *OTHERS):
        source = name if name in ("digits", "lfw-faces") else str(data / name)
        row = {"set": name, **ask(*read_some(source, each=MOST), PLANTS["nothing"])}
        row["as_it_should_be"] = name in OTHERS or row["said"] is None
        wrong += not row["as_it_should_be"]
        whole.append(row)
        print(f"{name}, {row['images']:,} images, {row['seconds']} s: {row['said'] or 'nothing is said'}", flush=True)
    document = {**measured_here(), "planted": planted, "as_they_are": whole}
    results.mkdir(parents=True, exist_ok=True)
    write_atomic(results / "planted.json", json.dumps(document, indent=1) + "\n")
    return min(wrong, 1)


def read_some(source: str, *, class_count: int | None = None, each: int) -> tuple[Dataset, list[Read]]:
    """Some images of the first classes; at most 3,000 in all."""
    dataset, random = read_dataset(source), np.random.default_rng(1)
    rows: list[int] = []
    for index in range(class_count or len(dataset.classes)):
        own = [
            row for row, image in enumerate(dataset.images) if image.label == index and image.part in (None, "train")
        ]
        most = min(each, len(own), MOST // (class_count or len(dataset.classes)))
        rows += random.choice(own, most, replace=False).tolist()
    chosen = [dataset.images[row] for row in sorted(rows)]
    read = read_images(dataset.store, [image.path for image in chosen], DecodeJob(), isolated=False)
    pairs = [(image, one) for image, one in zip(chosen, read, strict=True) if one.image is not None]
    records = tuple(ImageRecord(one.path, one.digest, one.byte_count, one.size or (0, 0)) for _, one in pairs)
    some = Dataset(
        dataset.name,
        source,
        "bench",
        dataset.classes[: class_count or None],
        tuple(LabelledImage(image.path, image.labels, group=image.group) for image, _ in pairs),
        dataset.store,
    )
    return some, [(record, one.image) for record, (_, one) in zip(records, pairs, strict=True) if one.image is not None]


def ask(dataset: Dataset, images: list[Read], change: Callable[[Image], Image]) -> dict[str, Any]:
    """What the check says when the images of the first class were changed."""
    changed = [
        change(image) if one.label == 0 else image for one, (_, image) in zip(dataset.images, images, strict=True)
    ]
    records = tuple(record for record, _ in images)
    check = DataCheck(records=records, near_duplicates=(), findings=(), account=Account())
    prints = unpack_fingerprints(np.stack([fingerprint_image(image) for image in changed]))
    begun = time.perf_counter()
    found = find_shortcuts(dataset, check, prints)
    seconds = time.perf_counter() - begun
    said = list_shortcuts(found, [record.path for record in check.records])
    return {
        "images": len(images),
        "seconds": round(seconds, 2),
        "said": said[0].sentence if said else None,
        "families": {} if found is None else {one.family: round(one.accuracy, 4) for one in found.families},
    }


if __name__ == "__main__":
    sys.exit(main())
