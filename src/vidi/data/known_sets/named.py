"""Sets known by name: two that installed packages carry, three that the user keeps in a folder or fetches."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.data.cache import cache_folder, kept_or_spare
from vidi.data.readers.source import Source, open_source
from vidi.errors import DataError, from_extra
from vidi.files import escape_path, writing_error

Array = NDArray[np.uint8]
_DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set that can be asked for by name."""

    title: str
    classes: tuple[str, ...]
    load: Callable[[], tuple[Array, list[int]]] | None = None  # images and labels from an installed package


def _load_digits() -> tuple[Array, list[int]]:
    """(1797, 8, 8) uint8, and the digit of each."""
    with from_extra("the set 'digits' comes inside scikit-learn", extra="train"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    # The package counts dark pixels of a finer scan: 0 to 16.
    return np.round(digits.images * (255 / 16)).astype(np.uint8), [int(label) for label in digits.target]


def _load_lfw_faces() -> tuple[Array, list[int]]:
    """(200, 25, 25) uint8: 100 faces, then 100 windows without one."""
    with from_extra("the set 'lfw-faces' comes inside scikit-image", extra="demo"):
        from skimage.data import lfw_subset
    windows: NDArray[np.float64] = lfw_subset()  # type: ignore[no-untyped-call]  # 0 to 1
    images = np.round(windows * 255).astype(np.uint8)
    return images, [0] * 100 + [1] * 100


NAMED_SETS: Mapping[str, NamedSet] = {
    "digits": NamedSet("1,797 handwritten digits of 8x8 pixels", _DIGITS, _load_digits),
    "lfw-faces": NamedSet("100 faces and 100 other windows of 25x25 pixels", ("face", "not a face"), _load_lfw_faces),
    "mnist": NamedSet("70,000 handwritten digits of 28x28 pixels", _DIGITS),
    "fashion-mnist": NamedSet(
        "70,000 pieces of clothing of 28x28 pixels",
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "cifar10": NamedSet(
        "60,000 photographs of 32x32 pixels",
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
}


def data_folder() -> Path:
    """Where known sets lie, each in the folder of its name: VIDI_DATA, else the system's place for data."""
    if named := os.environ.get("VIDI_DATA"):
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "vidi"


def open_named_set(name: str) -> Source:
    """The source of one of `NAMED_SETS`: written out of its package into the cache, or found in the folder of data.

    Raises:
        DataError: the set has not been downloaded.
        MissingPackageError: the package that carries the set is not installed.
    """
    known = NAMED_SETS[name]
    if known.load is not None:
        return replace(open_source(kept_or_spare(partial(_written_out, name, known), cache_folder())), given=name)
    place = data_folder() / name
    if place.is_dir():
        return replace(open_source(place), given=name)
    raise DataError(
        f"the known set {name!r} is not in {escape_path(place)}",
        f"Download it with `vidi fetch {name}`, or set VIDI_DATA to the folder that holds it.",
    )


def _written_out(name: str, known: NamedSet, cache: Path) -> Path:
    """The set as class folders of PNG files in the cache; made once, and whole or not at all."""
    # The 1 is the version of what is written: a change of it makes the set again.
    folder = cache / "named" / f"{name}-1"
    if folder.is_dir() or known.load is None:
        return folder
    images, labels = known.load()
    with _appearing(folder) as temporary:
        for class_name in known.classes:
            (temporary / class_name).mkdir()
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            Image.fromarray(image).save(temporary / known.classes[label] / f"{number:04}.png")
    return folder


@contextlib.contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes its name when the block ends well; of two writers the first wins."""
    temporary = folder.parent / f".vidi-writing-{secrets.token_hex(8)}"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        try:
            os.rename(temporary, folder)
        except OSError:
            if not folder.is_dir():  # another process was first otherwise: its files are the same
                raise
    except OSError as error:
        raise writing_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
