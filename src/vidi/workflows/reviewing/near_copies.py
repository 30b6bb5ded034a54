"""Which of some images are near copies of each other, from the bytes of their files."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vidi.data.copies.fingerprint import FINGERPRINT_BYTES, fingerprint_image, unpack_fingerprints
from vidi.data.copies.near_copies import find_near_copies
from vidi.errors import ImageError
from vidi.groups import join_links
from vidi.images.decode import decode_image
from vidi.images.reading import MEASURED_SIDE

AT_LEAST = (MEASURED_SIDE, MEASURED_SIDE)


def group_copies(
    count: int, read: Callable[[int], bytes | None], *, on_progress: Callable[[int, int], None] | None = None
) -> NDArray[np.int64]:
    """Number some images so that near copies share a number; one that cannot be used stands alone.

    Args:
        count: of the images.
        read: gives the bytes of an image file by its place.
        on_progress: called with (images done, images in all).
    """
    packed = np.zeros((count, FINGERPRINT_BYTES), np.uint8)
    usable = np.zeros(count, np.bool_)
    for place in range(count):
        data = read(place)
        try:
            if data is not None:
                packed[place] = fingerprint_image(decode_image(data, at_least=AT_LEAST).image)
                usable[place] = True
        except ImageError:
            pass  # it is shown to a reviewer as what it is: an image that cannot be used
        if on_progress is not None:
            on_progress(place + 1, count)
    pairs = find_near_copies(unpack_fingerprints(packed), np.flatnonzero(usable))
    return join_links(count, [(pair.first, pair.second) for pair in pairs])
