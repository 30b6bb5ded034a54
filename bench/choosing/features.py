"""Embeddings of Fashion-MNIST and clothing by the weights of EfficientNet-Lite0, computed once and kept."""

import gzip
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.images.decode import DecodeJob, read_one
from vidi.images.framing import Framing, frame_image
from vidi.metrics.components import principal_axes
from vidi.networks.pretrained.packaged import packaged_weights
from vidi.networks.pretrained.weights import with_weights
from vidi.training.heads.features import embed_images
from vidi.training.loop.objective import FIXED, InputNormalisation

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

WEIGHTS = "lite0"
PLACES = 64  # components of an embedding that a prediction log keeps
SIDES = {"fashion-mnist": 96, "clothing": 160}  # pixels
POOL, CALIBRATION = 10_000, 3_000  # training images of Fashion-MNIST: the first to choose from, the last to calibrate
TRIGGERED = 500  # images with a patch: of the pool, and of the test images
PATCH = 5  # pixels of 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some images: what a head sees, what a choice sees, and what they show."""

    features: Floats  # (images, 256), standardised
    places: Floats  # (images, 64), on the principal axes of the pool's embeddings
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """One set of images."""

    name: str
    class_count: int
    pool: Part  # to be labelled
    calibration: Part  # to choose limits, strategies and strengths on
    test: Part
    patched_pool: Part | None = None  # the first images of the pool, with a white patch in a corner
    patched_test: Part | None = None


def image_sets(data: Path) -> dict[str, Callable[[], ImageSet]]:
    """The sets that are there, by name."""
    found: dict[str, Callable[[], ImageSet]] = {}
    if (data / "fashion-mnist" / "train-images-idx3-ubyte.gz").exists():
        found["fashion-mnist"] = lambda: _fashion(data / "fashion-mnist")
    if (data / "clothing.zip").exists():
        found["clothing"] = lambda: _clothing(data / "clothing.zip")
    return found


def _fashion(folder: Path) -> ImageSet:
    images, labels = _idx(folder, "train")
    test_images, test_labels = _idx(folder, "t10k")
    pool, calibration = slice(0, POOL), slice(len(images) - CALIBRATION, len(images))
    groups = {
        "pool": (images[pool], labels[pool]),
        "calibration": (images[calibration], labels[calibration]),
        "test": (test_images, test_labels),
        "patched_pool": (_patched(images[:TRIGGERED]), labels[:TRIGGERED]),
        "patched_test": (_patched(test_images[:TRIGGERED]), test_labels[:TRIGGERED]),
    }
    side = SIDES["fashion-mnist"]
    framing = Framing(size=(side, side))
    return _as_set(
        "fashion-mnist",
        {name: (_stack(grey, framing), shown) for name, (grey, shown) in groups.items()},
    )


def _idx(folder: Path, name: str) -> tuple[NDArray[np.uint8], Labels]:
    with gzip.open(folder / f"{name}-images-idx3-ubyte.gz") as stream:
        images = np.frombuffer(stream.read()[16:], np.uint8).reshape(-1, 28, 28)
    with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz") as stream:
        return images, np.frombuffer(stream.read()[8:], np.uint8).astype(np.int64)


def _patched(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    made = images.copy()
    made[:, -PATCH:, -PATCH:] = 255
    return made


def _stack(grey: NDArray[np.uint8], framing: Framing) -> Callable[[int, int], NDArray[np.uint8]]:
    def batch(start: int, end: int) -> NDArray[np.uint8]:
        return np.stack([frame_image(np.repeat(one[..., None], 3, axis=2), framing) for one in grey[start:end]])

    return batch


def _clothing(path: Path) -> ImageSet:
    side = SIDES["clothing"]
    framing = Framing(size=(side, side))
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.count("/") == 2 and not name.endswith("/"))
        contents = {name: archive.read(name) for name in names}
    classes = sorted({name.split("/")[1] for name in names})
    groups = {}
    for part, folder in (("pool", "train"), ("calibration", "validation"), ("test", "test")):
        mine = [name for name in names if name.startswith(f"{folder}/")]
        labels = np.array([classes.index(name.split("/")[1]) for name in mine], np.int64)

        def batch(start: int, end: int, mine: list[str] = mine) -> NDArray[np.uint8]:
            job = DecodeJob(framing=framing)
            return np.stack([read_one(contents[name], job).pixels() for name in mine[start:end]])

        groups[part] = (batch, labels)
    return _as_set("clothing", groups)


def _as_set(name: str, groups: dict[str, tuple[Callable[[int, int], NDArray[np.uint8]], Labels]]) -> ImageSet:
    kept = _kept(name, groups)
    embeddings = {part: kept[part] for part in groups}
    # Of the pool alone: what a head and a choice may know before any label is given.
    mean, spread = embeddings["pool"].mean(axis=0), embeddings["pool"].std(axis=0) + 1e-6
    axes = principal_axes(((embeddings["pool"] - mean) / spread)[:5_000], 256)
    places = principal_axes((embeddings["pool"] - mean)[:5_000], PLACES)
    parts = {
        part: Part(
            features=np.asarray((rows - mean) / spread @ axes, np.float32),
            places=np.asarray((rows - mean) @ places, np.float32),
            labels=groups[part][1],
        )
        for part, rows in embeddings.items()
    }
    return ImageSet(name=name, class_count=len(np.unique(groups["pool"][1])), **parts)


def _kept(
    name: str, groups: dict[str, tuple[Callable[[int, int], NDArray[np.uint8]], Labels]]
) -> dict[str, NDArray[np.float32]]:
    """Embeddings from the file of an earlier run, or computed now."""
    place = Path(os.environ.get("FEATURES", tempfile.gettempdir())) / f"vidi-bench-{name}-{WEIGHTS}-{SIDES[name]}.npz"
    if place.exists():
        with np.load(place) as stored:
            return {part: stored[part] for part in groups}
    found = {part: _embed(batch, len(labels), SIDES[name]) for part, (batch, labels) in groups.items()}
    stream = io.BytesIO()
    np.savez(stream, **found)
    place.write_bytes(stream.getvalue())
    return found


def _embed(batch: Callable[[int, int], NDArray[np.uint8]], count: int, side: int) -> NDArray[np.float32]:
    weights = packaged_weights(WEIGHTS)
    network = with_weights(weights, image_size=(side, side), class_count=2).eval().requires_grad_(False)
    normalisation = InputNormalisation(*FIXED[weights.normalisation])
    rows = []
    for start in range(0, count, 500):
        images = batch(start, min(count, start + 500))
        every = np.arange(len(images))
        rows.append(embed_images(network, images, every, normalisation=normalisation, engine="onnxruntime"))
    return np.concatenate(rows)
