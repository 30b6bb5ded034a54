"""What a test image is like beside what it shows: its size, its light, its camera, where it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.data.copies.capture import read_camera
from vidi.data.dataset import LabelledImage
from vidi.images.statistics import brightness_of
from vidi.prediction.stream import Answer

_MEASURED = np.dtype([("brightness", "<f4"), ("camera", "S60")])


@dataclass(frozen=True, slots=True)
class Traits:
    """One test image, apart from what it shows."""

    size: tuple[int, int]  # (height, width), pixels
    brightness: float  # mean grey level, 0 to 255
    camera: str  # maker and model; empty where the file names none
    source: str  # folder, without those that are named after the class or the part; perhaps empty
    columns: tuple[tuple[str, str], ...] = ()  # of the table that names it


def measure_traits(data: bytes, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Light and camera of one file, packed; a measure for `Predictor.predict_files`.

    Args:
        data: the file's bytes.
        image: (height, width, 3) uint8, upright.
    """
    camera = read_camera(data).encode("ascii", "replace")[: _MEASURED["camera"].itemsize]
    return np.array([(brightness_of(image), camera)], dtype=_MEASURED).view(np.uint8)


def traits_of(answer: Answer, image: LabelledImage, *, classes: Sequence[str]) -> Traits:
    """Return the traits of one image.

    Args:
        answer: of `Predictor.predict_files` with `measure_traits`.
        image: the same image in its data set.
        classes: of the data set.
    """
    assert answer.measured is not None  # noqa: S101 - the caller asked for it, and the image was answered
    assert answer.size is not None  # noqa: S101
    measured = np.ascontiguousarray(answer.measured).view(_MEASURED)[0]
    return Traits(
        size=answer.size,
        brightness=float(measured["brightness"]),
        camera=measured["camera"].decode("ascii", "replace"),
        source=source_of(image.path, class_names=[classes[label] for label in image.labels], part=image.part),
        columns=image.columns,
    )


def source_of(path: str, *, class_names: Sequence[str], part: str | None) -> str:
    """The folders of an image, without those that are named after what it shows or its part.

    >>> source_of("clinic 2/train/cat/7.png", class_names=["cat"], part="train")
    'clinic 2'
    """
    folders = path.replace("\\", "/").split("/")[:-1]
    left_out = {name.casefold() for name in (*class_names, part or "")}
    return "/".join(folder for folder in folders if folder.casefold() not in left_out)
