"""`vidi.evaluate`."""

import os
from typing import TYPE_CHECKING

from vidi.options import made
from vidi.workflows.interaction.logged import LoggedEvents
from vidi.workflows.python.given import data_of
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import EvaluateRequest

if TYPE_CHECKING:
    from vidi.workflows.evaluate import Evaluated


def evaluate(
    model: "str | os.PathLike[str]",
    data: "str | os.PathLike[str] | DataRequest",
    *,
    output: "str | os.PathLike[str] | None" = None,
    overwrite: bool = False,
    robustness: bool = False,
    engine: str = "onnxruntime",
    images: bool = True,
) -> "Evaluated":
    """Score a model file on labelled images; classes are matched by name, and its training images are left out.

    Args:
        model: path to a model file or a run folder.
        data: as for `train`.
        output: path to the output folder (default evaluations/NAME).
        overwrite: replace earlier results at the output path.
        robustness: also score blurred, noisy, dark and rotated copies of the images; this takes about 20 times as long.
        engine: what executes the model: onnxruntime (default), openvino, or the fastest (auto).
        images: False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.

    Raises:
        ModelError: there is no model file, or it cannot be trusted.
        DataError: there is no common class, or no image left to score.
        UsageError, ResourceError: a wrong option; disk, memory or time ran out.
    """
    given = dict(locals())
    from vidi.workflows import evaluate as story

    return story.evaluate(made(EvaluateRequest, {**given, "data": data_of(data)}), events=LoggedEvents())
