"""Whether a test figure can be trusted: accuracy by slice, and on worse images."""

from functools import partial

import numpy as np

from vidi.evaluation.answers import TEST, Answers
from vidi.evaluation.document import Trust
from vidi.evaluation.robustness import NotMeasured, Robustness, measure_robustness
from vidi.evaluation.slices import evaluate_slices
from vidi.images.pool import DecodeJob
from vidi.images.store import ImageStore
from vidi.machine import Deadline
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.events import SILENCE, Events


def measure_trust(
    predictor: Predictor,
    answers: Answers,
    store: ImageStore,
    job: DecodeJob | None,
    *,
    seed: int = 0,
    until: Deadline | None = None,
    events: Events = SILENCE,
) -> Trust:
    """Measure slices and robustness.

    Args:
        job: how they are decoded; None leaves robustness out.
        until: when it must end; None: there is time.
    """
    known = answers.only((np.array(answers.parts) == TEST) & answers.truth.is_known)
    found: Robustness | NotMeasured = NotMeasured("off")
    if job is not None:
        found = measure_robustness(
            predictor,
            known,
            store,
            job,
            seed=seed,
            until=until,
            on_progress=partial(events.count, "measuring accuracy on degraded images"),
        )
    if found == NotMeasured("time"):
        events.say("robustness: skipped for lack of time; `vidi evaluate MODEL DATA --robustness` measures it")
    return Trust(slices=evaluate_slices(known, seed=seed), robustness=found)
