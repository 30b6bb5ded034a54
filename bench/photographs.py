"""Generated JPEGs of the size and weight of ordinary photographs, the same every time."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (375, 500)  # (height, width), pixels


def write_photographs(folder: Path, count: int, *, size: tuple[int, int] = SIZE, seed: int = 0) -> list[str]:
    """Files of about 75 kB at 500 x 375: soft clouds of colour, edges, and fine grain. Returns their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(count):
        path = folder / f"{index:05}.jpg"
        paths.append(str(path))
        if not path.exists():
            path.write_bytes(photograph(size, seed=seed + index))
    return paths


def photograph(size: tuple[int, int], *, seed: int) -> bytes:
    """One JPEG, quality 90."""
    random = np.random.default_rng(seed)
    height, width = size
    image = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((4, 90), (16, 45), (64, 25)):
        coarse = random.uniform(-1, 1, (max(2, height * cells // width), cells, 3)).astype(np.float32)
        scaled = [
            np.asarray(Image.fromarray(coarse[:, :, channel]).resize((width, height), Image.Resampling.BICUBIC))
            for channel in range(3)
        ]
        image += weight * np.stack(scaled, axis=2)
    image += random.normal(0, 9, (height, width, 1)).astype(np.float32) + 128
    top, left = random.integers(0, height // 2), random.integers(0, width // 2)
    image[top : top + height // 3, left : left + width // 3] += random.uniform(-60, 60, 3).astype(np.float32)
    stream = io.BytesIO()
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()
