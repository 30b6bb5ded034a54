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
) -> "Checked":
    """Find damaged images, copies, conflicting labels, leaks, small classes and odd images in a data set.

    Args:
        data: as for `train`.
        page: write the findings to an HTML page with the images.
        images: False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.

    Raises:
        UsageError: the data or a class does not exist.
        DataError: the data holds no image with a class.
    """
    given = dict(locals())
    from vidi.workflows import check as story

    return story.check(made(CheckRequest, {**given, "data": data_of(data)}), events=LoggedEvents())
