"""`vidi.check`."""

import os
from typing import TYPE_CHECKING

from vidi.options import made
from vidi.workflows.interaction.logged import LoggedEvents
from vidi.workflows.python.given import data_of
from vidi.workflows.requests.check import CheckRequest
from vidi.workflows.requests.data import DataRequest

if TYPE_CHECKING:
    from vidi.workflows.check import Checked


def check(
    data: "str | os.PathLike[str] | DataRequest",
    *,
    page: "str | os.PathLike[str] | None" = None,
    images: bool = True,
    workers: int | None = None,
) -> "Checked":
    """Decode every image once, and say what its owner should know before anything is trained on it.

    Args:
        data: as for `train`.
        page: write the findings as a page of images.
        images: False leaves every picture out of what is written.
        workers: decoding workers; one for each core.

    Raises:
        UsageError: the source or a class is not there.
        DataError: it holds no image with a class.
    """
    given = dict(locals())
    from vidi.workflows import check as story

    return story.check(made(CheckRequest, {**given, "data": data_of(data)}), events=LoggedEvents())
