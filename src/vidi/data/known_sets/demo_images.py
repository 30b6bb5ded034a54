"""Images that the demos ask about after training: none of them comes from the demo's own data set.

Chosen by hand before any model saw them, and never changed since; right or wrong, all are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vidi.errors import from_extra
from vidi.files import write_atomic
from vidi.images.encode import encode_png

Array = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Crop:
    """A square cut out of one of scikit-image's photographs."""

    title: str
    photograph: str  # a function of skimage.data
    top: int  # pixels
    left: int
    side: int
    truth: str = "not a face"


CROPS = (
    Crop("the astronaut's face", "astronaut", 65, 165, 120, "face"),
    Crop("a cat's face", "cat", 5, 115, 280),
    Crop("a cup of coffee", "coffee", 20, 130, 340),
    Crop("a rocket on its pad", "rocket", 60, 200, 300),
    Crop("the astronaut's flag", "astronaut", 10, 0, 130),
    Crop("a patch on her suit", "astronaut", 335, 125, 90),
    Crop("galaxies", "hubble_deep_field", 200, 300, 400),
    Crop("the moon's surface", "moon", 100, 100, 300),
    Crop("a brick wall", "brick", 0, 0, 256),
    Crop("coins", "coins", 20, 20, 200),
    Crop("a printed page", "page", 0, 60, 190),
    Crop("grass", "grass", 100, 100, 250),
)


# Photographs without a face: on these the demo learns what is none …
BACKGROUNDS = ("clock", "gravel", "text", "immunohistochemistry", "colorwheel", "cell", "retina", "stereo_motorcycle")
# … and on these, which it has not seen, it looks for faces, and on the one that has one.
WITH_A_FACE, WITHOUT_A_FACE = "astronaut", ("chelsea", "coffee", "rocket", "moon", "coins")


def write_face_crops(folder: Path) -> dict[str, str]:
    """Write the crops as PNG files; gives the true class of each file name.

    Raises:
        MissingPackageError: scikit-image is not installed.
    """
    photographs = {name: read_photograph(name) for name in {crop.photograph for crop in CROPS}}
    truth = {}
    for number, crop in enumerate(CROPS, start=1):
        photograph = photographs[crop.photograph]
        piece = photograph[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
        name = f"{number:02} {crop.title}.png"
        write_atomic(folder / name, encode_png(piece))
        truth[name] = crop.truth
    return truth


def write_photographs(names: Sequence[str], folder: Path) -> list[Path]:
    """Write whole photographs as PNG files, each under its name.

    Raises:
        MissingPackageError: scikit-image is not installed.
    """
    paths = [folder / f"{name}.png" for name in names]
    for name, path in zip(names, paths, strict=True):
        write_atomic(path, encode_png(read_photograph(name)))
    return paths


def read_photograph(name: str) -> Array:
    """One of scikit-image's photographs, (height, width, 3) or (height, width) uint8; of a pair the left one.

    Raises:
        MissingPackageError: scikit-image is not installed.
    """
    with from_extra("the demo looks at photographs from scikit-image", extra="demo"):
        import skimage.data
    found = getattr(skimage.data, name)()
    photograph = np.asarray(found[0] if isinstance(found, tuple) else found)
    return photograph[..., :3] if photograph.ndim == 3 else photograph


def write_drawn_digits(folder: Path) -> dict[str, str]:
    """Write the ten digits as a computer's font draws them; gives the true class of each file name.

    The demo's own digits were written by hand: a printed 1 or 7 is foreign to it.
    """
    font = ImageFont.load_default(size=78)
    truth = {}
    for digit in "0123456789":
        image = Image.new("L", (64, 64), 0)
        ImageDraw.Draw(image).text((32, 32), digit, fill=255, font=font, anchor="mm")
        name = f"printed {digit}.png"
        write_atomic(folder / name, encode_png(np.asarray(image)))
        truth[name] = digit
    return truth
