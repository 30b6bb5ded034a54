"""The near-copy search and the split of made-up images: `python -m bench.scaling.copies N` (0: what starting takes).

Prints JSON: processor and wall seconds, and the memory at its peak beside that of the table of fingerprints.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import DataCheck, ImageRecord
from vidi.data.checking.measured import MEASURED_BYTES
from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.duplicates.fingerprint import COLOUR_BYTES, FINGERPRINT_BYTES, GREY_BYTES, SIDE, unpack_fingerprints
from vidi.data.duplicates.near_duplicates import find_near_duplicates
from vidi.data.splitting.split import split_dataset
from vidi.files import digest_of
from vidi.images.account import Account
from vidi.images.store import BytesStore

WAVES = 12  # a side, of which a thumbnail is made
COPIES = 0.02  # of the images: copies of others in another light
CLASSES = 100
BLOCK = 4096
ENOUGH = 0.99  # of the planted copies


def made_table(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A digest table as a check fills it, and the planted pairs (pairs, 2)."""
    random = np.random.default_rng(0)
    table = np.zeros((count, MEASURED_BYTES), np.uint8)
    places = (np.arange(SIDE) + 0.5) / SIDE
    basis = np.cos(np.pi * places[:, None] * np.arange(WAVES)).astype(np.float32)
    weights = (60 / (1 + np.add.outer(np.arange(WAVES), np.arange(WAVES)))).astype(np.float32)
    quality = np.array([128, 40, 10], "<f4").view(np.uint8)
    for start in range(0, count, BLOCK):
        rows = slice(start, min(start + BLOCK, count))
        height = rows.stop - start
        waves = random.normal(size=(height, WAVES, WAVES)).astype(np.float32) * weights
        waves[:, 0, 0] = 0
        grain = random.normal(0, 4, (height, SIDE, SIDE)).astype(np.float32)
        images = np.matmul(np.matmul(basis, waves), basis.T) + 128 + grain
        table[rows, :GREY_BYTES] = images.clip(0, 255).reshape(height, -1)
        table[rows, GREY_BYTES : GREY_BYTES + 2 * COLOUR_BYTES] = 128
        table[rows, GREY_BYTES + 2 * COLOUR_BYTES : FINGERPRINT_BYTES] = quality
    pairs = random.permutation(count)[: 2 * int(count * COPIES)].reshape(2, -1).T
    light = random.integers(-3, 4, (len(pairs), 1))
    table[pairs[:, 1], :GREY_BYTES] = np.clip(table[pairs[:, 0], :GREY_BYTES].astype(np.int16) + light, 0, 255)
    return table, pairs


def timed_split(count: int, near: Any) -> dict[str, float]:
    """What `vidi split` takes after a check of as many images."""
    images = tuple(
        LabelledImage(f"c{number % CLASSES}/{number:09}.jpg", frozenset({number % CLASSES})) for number in range(count)
    )
    dataset = Dataset(
        "made", "made", "class-folders", tuple(f"c{one}" for one in range(CLASSES)), images, BytesStore({})
    )
    records = tuple(
        ImageRecord(image.path, digest_of(b"%d" % number), 75_000, (375, 500)) for number, image in enumerate(images)
    )
    check = DataCheck(records=records, near_duplicates=tuple(near), findings=(), account=Account(used=count))
    began, used, before = time.perf_counter(), time.process_time(), current_bytes()
    split = split_dataset(dataset, check)
    if sum(split.counts().values()) != count:
        raise RuntimeError("an image has no part")
    return {
        "wall_seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - used,
        "memory_bytes_each": (current_bytes() - before) / count,
    }


def current_bytes() -> int:
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def forget_peak() -> None:
    """Let the most memory held begin at what is held now; Linux alone can."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The most memory that this process held since."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def main() -> None:
    """Measure with as many images as the command says."""
    count = int(sys.argv[1])
    table, pairs = made_table(max(count, BLOCK))
    forget_peak()
    start = current_bytes()
    began, used = time.perf_counter(), time.process_time()
    near = find_near_duplicates(unpack_fingerprints(table), np.arange(len(table)))
    found: dict[str, Any] = {
        "images": len(table),
        "table_bytes": table.nbytes,
        "wall_seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - used,
        "beyond_table_bytes": peak_bytes() - start,
    }
    planted = {(min(pair), max(pair)) for pair in pairs.tolist()}
    found["planted"] = len(planted)
    found["found"] = len(planted & {(pair.first, pair.second) for pair in near})
    found["others"] = len(near) - found["found"]
    del table
    found["split"] = timed_split(max(count, BLOCK), near)
    print(json.dumps(found))
    if found["found"] < ENOUGH * len(planted):
        sys.exit("too few of the planted copies were found")


if __name__ == "__main__":
    main()
