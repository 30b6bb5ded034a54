"""The images that a benchmark decodes and answers: the user's, or drawn ones; held in memory as files."""

import contextlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.data.inputs import BytesStore, find_paths
from vidi.errors import DataError, ImageError
from vidi.files import escape_path
from vidi.images.decode import read_header
from vidi.images.encode import encode_jpeg
from vidi.images.framing import Framing
from vidi.images.pool import read_images
from vidi.workflows.interaction.inputs import no_images

COUNT = 32  # the largest batch
QUALITY = 90
COARSE = ((4, 90.0), (16, 45.0), (64, 25.0))  # cells of colour along a side, and how much they differ
GRAIN = 9.0  # levels


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchImages:
    """Encoded images by name."""

    contents: dict[str, bytes]
    source: str  # for people

    @property
    def store(self) -> BytesStore:
        """Where they are read from."""
        return BytesStore(self.contents)

    def framed(self, framing: Framing) -> NDArray[np.uint8]:
        """(32, height, width, 3): each image as the network takes it, several times where there are fewer.

        Raises:
            DataError: none can be read.
        """
        read = read_images(self.store, list(self.contents), framing=framing, isolated=False)
        images = [one.image for one in read if one.image is not None]
        if not images:
            raise DataError(f"no image of {self.source} can be read", "Name other images with --data.")
        return np.resize(np.stack(images), (COUNT, *framing.size, 3))


def given_images(text: str) -> BenchImages:
    """Some images of a file, folder, pattern or archive, spread over all of them.

    Raises:
        DataError: there are none.
        UsageError: it is an address.
    """
    found = find_paths([text])
    listed = [(group.store, path) for group in found for path in group.paths]
    if not listed:
        raise no_images(found)
    contents = {}
    for row in np.linspace(0, len(listed) - 1, min(COUNT, len(listed))).astype(int).tolist():
        store, path = listed[row]
        with contextlib.suppress(OSError, ImageError):  # left out: what is timed are images that can be read
            data = store.read(path)
            read_header(data)
            contents[path] = data
    if not contents:
        raise DataError(f"no image of {escape_path(text)} can be read", "Name other images with --data.")
    return BenchImages(contents=contents, source=escape_path(text))


def drawn_images(size: tuple[int, int]) -> BenchImages:
    """Drawn JPEG files of a size (height, width): clouds of colour and grain, as heavy as photographs."""
    random = np.random.default_rng(0)
    return BenchImages(
        contents={f"drawn-{number:02}.jpg": _drawn(size, random) for number in range(COUNT)},
        source=f"drawn images of {size[0]}×{size[1]}",
    )


def _drawn(size: tuple[int, int], random: np.random.Generator) -> bytes:
    height, width = size
    image = np.full((height, width, 3), 128.0, np.float32)
    for cells, weight in COARSE:
        coarse = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        scaled = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        image += weight * (np.asarray(scaled, np.float32) / 127.5 - 1)
    image += random.normal(0, GRAIN, (height, width, 1)).astype(np.float32)
    return encode_jpeg(image.clip(0, 255).astype(np.uint8), quality=QUALITY)
