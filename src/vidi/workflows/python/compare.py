"""`vidi.compare`."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vidi.options import made
from vidi.workflows.interaction.logged import LoggedEvents
from vidi.workflows.python.given import data_of
from vidi.workflows.requests.compare import CompareRequest, StoredRequest
from vidi.workflows.requests.data import DataRequest

if TYPE_CHECKING:
    from vidi.workflows.comparing.compared import Compared


def compare(
    first: "str | os.PathLike[str]",
    second: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest | None" = None,
    *,
    output: "str | os.PathLike[str] | None" = None,
    overwrite: bool = False,
    renames: Mapping[str, str] | None = None,
    seed: int = 0,
    workers: int | None = None,
    images: bool = True,
) -> "Compared":
    """Say whether the second model is better than the first, on labelled images that neither learnt from.

    Args:
        first: model file or run folder; called A.
        second: the other one; called B.
        data: as for `train`; left out where `first` and `second` are folders that `evaluate` wrote of the same images.
        output: where to write; comparisons/NAME when left out.
        overwrite: replace what an earlier run wrote there.
        renames: a class of the data → the model's name for it.
        seed: seed of the resampling behind intervals.
        workers: decoding workers; one for each core.
        images: False leaves every picture out of what is written.

    Raises:
        ModelError: no model file, or not one to trust.
        DataError: no class that both know, or no image left to score; without data: not about the same images.
        UsageError, ResourceError: as their names say.
    """
    given = dict(locals())
    from vidi.workflows import compare as story
    from vidi.workflows.comparing.stored import compare_stored

    if data is None:
        return compare_stored(made(StoredRequest, given), events=LoggedEvents())
    return story.compare(made(CompareRequest, {**given, "data": data_of(data)}), events=LoggedEvents())
