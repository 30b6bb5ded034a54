"""`vidi.evaluate`."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vidi.options import made
from vidi.workflows.interaction.logged import LoggedEvents
from vidi.workflows.python.given import data_of
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.evaluate import EvaluateRequest

if TYPE_CHECKING:
    from vidi.workflows.evaluate import Evaluated


def evaluate(
    model: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest",
    *,
    output: "str | os.PathLike[str] | None" = None,
    overwrite: bool = False,
    renames: Mapping[str, str] | None = None,
    robustness: bool = True,
    seed: int = 0,
    workers: int | None = None,
    images: bool = True,
) -> "Evaluated":
    """Score a model file on labelled images; classes are matched by name, and what it learnt from is set aside.

    Args:
        model: model file or run folder.
        data: as for `train`.
        output: where to write; evaluations/NAME when left out.
        overwrite: replace what an earlier run wrote there.
        renames: a class of the data → the model's name for it.
        robustness: also ask about images made blurred, noisy, dark, turned; False is quicker.
        seed: seed of the resampling behind intervals.
        workers: decoding workers; one for each core.
        images: False leaves every picture out of what is written.

    Raises:
        ModelError: no model file, or not one to trust.
        DataError: no class in common, or no image left to score.
        UsageError, ResourceError: as their names say.
    """
    given = dict(locals())
    from vidi.workflows import evaluate as story

    return story.evaluate(made(EvaluateRequest, {**given, "data": data_of(data)}), events=LoggedEvents())
