"""`vidi.compare`."""

import os
from typing import TYPE_CHECKING

from vidi.options import made
from vidi.workflows.interaction.logged import LoggedEvents
from vidi.workflows.python.given import data_of
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import CompareRequest, StoredRequest

if TYPE_CHECKING:
    from vidi.workflows.comparing.written import Compared


def compare(
    first: "str | os.PathLike[str]",
    second: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest | None" = None,
    *,
    output: "str | os.PathLike[str] | None" = None,
    overwrite: bool = False,
    images: bool = True,
) -> "Compared":
    """Test whether the second model is better than the first, on labelled images that neither was trained on.

    Args:
        first: path to a model file or a run folder; model A.
        second: path to the other one; model B.
        data: as for `train`; leave it out if `first` and `second` are evaluations of the same images.
        output: path to the output folder (default comparisons/NAME).
        overwrite: replace earlier results at the output path.
        images: False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.

    Raises:
        ModelError: there is no model file, or it cannot be trusted.
        DataError: there is no common class, or no image left to score; without `data`, the images differ.
        UsageError, ResourceError: a wrong option; disk, memory or time ran out.
    """
    given = dict(locals())
    from vidi.workflows import compare as story
    from vidi.workflows.comparing.stored import compare_stored

    if data is None:
        return compare_stored(made(StoredRequest, given), events=LoggedEvents())
    return story.compare(made(CompareRequest, {**given, "data": data_of(data)}), events=LoggedEvents())
