"""CIFAR-10's images as the traffic of the months: darker and more blurred from month to month."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from bench.yearly.scenario import Scenario

Images = NDArray[np.uint8]
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORD = 1 + 3 * 32 * 32


def read_cifar(folder: Path, names: list[str]) -> tuple[Images, NDArray[np.int64]]:
    """Images (n, 32, 32, 3) and labels of the binary batches."""
    data = np.concatenate([np.fromfile(folder / name, np.uint8) for name in names]).reshape(-1, RECORD)
    images = data[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), data[:, 0].astype(np.int64)


def as_in_month(images: Images, month: int, scenario: Scenario) -> Images:
    """The images as the camera gives them in a month."""
    drift = scenario.drift(month)
    if not drift:
        return images
    values = images.astype(np.float32)
    for axis in (1, 2):
        values = gaussian_filter1d(values, scenario.blur * drift, axis=axis, mode="nearest")
    values *= 1 - (1 - scenario.darkest) * drift
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def draw_traffic(
    labels: NDArray[np.int64],
    free: NDArray[np.bool_],
    count: int,
    month: int,
    *,
    scenario: Scenario,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Rows of images of one month's traffic, none of which was taken before; `free` is changed."""
    new = CLASSES.index(scenario.new_class)
    of_new = round(scenario.new_share * count) if month >= scenario.new_from else 0
    rows = [
        random.choice(np.flatnonzero(free & is_kind), size, replace=False)
        for is_kind, size in ((labels != new, count - of_new), (labels == new, of_new))
    ]
    taken = random.permutation(np.concatenate(rows))
    free[taken] = False
    return taken
