"""`vidi.locate`: boxes in images that a Python caller holds, one answer for each."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidi.data.inputs import GivenFilesStore
from vidi.errors import ImageError
from vidi.images.account import Entry
from vidi.images.given import Given, as_rgb
from vidi.images.pool import read_images
from vidi.report.pictures.boxed import make_picture
from vidi.workflows.locating.search import Find, LocatedImage, search_image


def locate_given(find: Find, images: Sequence[Given]) -> Iterator[LocatedImage]:
    """Find boxes in every image, in order; an image that cannot be used comes with its reason.

    Args:
        find: of `vidi.workflows.locating.search.finder`.
        images: of `vidi.workflows.interaction.given.list_images`; an image in memory is named by its number.
    """
    for name, image in _decoded(images):
        if isinstance(image, Entry):
            yield LocatedImage(path=name, size=None, error=image)
            continue
        one = search_image(find, name, image)
        yield one if one.error is not None else replace(one, picture=make_picture(image))


def _decoded(images: Sequence[Given]) -> Iterator[tuple[str, NDArray[np.uint8] | Entry]]:
    """What each image is called, and its pixels or why it has none; files are read ahead, side by side."""
    files = iter(read_images(GivenFilesStore(), [one for one in images if isinstance(one, str)], isolated=False))
    for number, image in enumerate(images):
        if isinstance(image, str):
            read = next(files)
            if read.image is not None:
                yield image, read.image
            elif read.error is not None:
                yield image, Entry(image, read.error.code, read.error.cause)
            continue
        name = f"image {number}"
        try:
            pixels: NDArray[np.uint8] | Entry = as_rgb(image)
        except ImageError as error:
            pixels = Entry(name, error.code, error.cause)
        yield name, pixels
