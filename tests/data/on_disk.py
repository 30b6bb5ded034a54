"""Tiny data sets on disk, for tests of the readers."""

from pathlib import Path

from tests.draw import draw, encoded

from vidi.data.dataset import Dataset

IMAGE = encoded(draw("disc", size=(8, 8)))


def put(root: Path, *paths: str) -> Path:
    """Write the same tiny image under each path."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(IMAGE)
    return root


def shown(dataset: Dataset) -> dict[str, tuple[str, str | None]]:
    """Class and part of each image by its path."""
    return {image.path: (dataset.classes[image.label], image.part) for image in dataset.images}
