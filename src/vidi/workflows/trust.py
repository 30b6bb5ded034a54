"""Whether a test figure can be trusted: what becomes of it when the images get worse."""

import numpy as np

from vidi.evaluation.answers import TEST, Answers
from vidi.evaluation.robustness import NotMeasured, measure_robustness
from vidi.evaluation.scores import number_groups
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.machine import Deadline
from vidi.prediction.predictor import Predictor
from vidi.workflows.events import SILENCE, Events

SECONDS_FOR_REPORT = 2.0  # kept back for what is written after it


def measure_trust(
    predictor: Predictor,
    answers: Answers,
    store: ImageStore,
    *,
    options: DecodeOptions,
    seed: int,
    deadline: Deadline | None = None,
    workers: int | None = None,
    wanted: bool = True,
    events: Events = SILENCE,
) -> dict[str, object]:
    """The section `robustness` of metrics.json.

    Args:
        predictor: the model file.
        answers: what it said of the test images.
        store: where the images are.
        options: how they are decoded.
        seed: of what is drawn by lot.
        deadline: when everything must be done; None: there is time.
        workers: decoding threads.
        wanted: False leaves it out.
        events: told where it is left out for want of time.
    """
    if not wanted:
        return {"robustness": NotMeasured("off").as_json()}
    rows = np.flatnonzero((np.array(answers.parts) == TEST) & (answers.labels >= 0))
    groups = number_groups(answers.groups if any(answers.groups) else None, len(answers.paths))
    until = None if deadline is None else deadline.earlier(SECONDS_FOR_REPORT)
    found = measure_robustness(
        predictor,
        [answers.paths[row] for row in rows.tolist()],
        answers.labels[rows],
        groups[rows],
        store=store,
        options=options,
        seed=seed,
        until=until,
        workers=workers,
    )
    if isinstance(found, NotMeasured) and found.reason == "time":
        events.say("robustness: left out, no time was left; `vidi evaluate` measures it")
    return {"robustness": found.as_json()}
