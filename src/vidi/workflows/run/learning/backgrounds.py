"""Photographs of `--background`, which show none of the classes: looked at before a run, and read for mining."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.framing import Framing, resize
from vidi.images.pool import DecodeJob, read_images
from vidi.numbers import first_of
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import LEAST_BACKGROUNDS, decode_options, find_backgrounds
from vidi.workflows.requests.data import DataRequest

LOOKED_AT = Framing(size=(32, 32), mode="stretch")  # so small they are decoded in a moment
MOST_NAMED = 5
LONGEST_SIDE = 800  # pixels of a photograph that is searched


def check_backgrounds(request: DataRequest, *, workers: int | None = None, events: Events = SILENCE) -> int:
    """Decode every photograph that mining will search, name those that cannot be used, and count them.

    Returns:
        How many photographs are left out.

    Raises:
        UsageError: there is no such folder, or no photograph in it.
        DataError: too few can be used; the others are named.
    """
    found = find_backgrounds(request)
    stream = read_images(
        found.store, found.paths, DecodeJob(framing=LOOKED_AT, options=decode_options(request)), workers=workers
    )
    bad = list(found.account.refused)
    for done, read in enumerate(stream, start=1):
        events.reading(done, len(found.paths))
        if read.error is not None:
            bad.append(Entry(read.path, read.error.code, read.error.cause))
    good = len(found.paths) + len(found.account.refused) - len(bad)
    folder = escape_path(str(request.background))
    if good < LEAST_BACKGROUNDS:
        named = f"; not {_named(bad)}" if bad else ""
        raise DataError(
            f"--background {folder}: {good} of {good + len(bad):,} photographs can be read{named}",
            f"Name a folder of at least {LEAST_BACKGROUNDS} photographs that show none of the classes. "
            "More photographs give fewer false boxes.",
        )
    if bad:
        skipped = f"{len(bad):,} of {good + len(bad):,} photographs skipped: {_named(bad)}"
        events.say(f"--background {folder}: {skipped}")
    return len(bad)


def read_backgrounds(request: DataRequest) -> list[NDArray[np.uint8]]:
    """The photographs, no larger than need be."""
    found = find_backgrounds(request)
    images = []
    for read in read_images(found.store, found.paths, DecodeJob(options=decode_options(request))):
        if read.image is not None:
            size = (read.image.shape[0], read.image.shape[1])
            scale = min(1.0, LONGEST_SIDE / max(size))
            images.append(resize(read.image, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))))
    if len(images) < LEAST_BACKGROUNDS:  # some have gone since they were looked at
        raise DataError(
            f"--background {escape_path(str(request.background))} holds only {len(images)} readable images",
            "Name a folder of at least two photographs that show none of the classes.",
        )
    return images


def _named(bad: Sequence[Entry]) -> str:
    """The first ones with their reason."""
    return first_of([f"{escape_path(entry.path)} ({entry.code})" for entry in bad], MOST_NAMED)
