"""Whether a test figure can be trusted: accuracy by slice, and on worse images."""

from functools import partial

import numpy as np

from vidi.evaluation.answers import TEST, Answers
from vidi.evaluation.document import Trust
from vidi.evaluation.robustness import NotMeasured, Robustness, measure_robustness
from vidi.evaluation.slices import evaluate_slices
from vidi.images.pool import DecodeJob
from vidi.machine import Deadline
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.progress import MEASURING_ROBUSTNESS, ROBUSTNESS_SKIPPED


def measure_trust(
    predictor: Predictor,
    answers: Answers,
    job: DecodeJob,
    *,
    seed: int = 0,
    until: Deadline | None = None,
    wanted: bool = True,
    events: Events = SILENCE,
) -> Trust:
    """Measure slices and robustness.

    Args:
        predictor: the model file.
        answers: what it said of the test images.
        job: where the images are, and how they are decoded.
        seed: of what is drawn at random.
        until: when it must end; None: there is time.
        wanted: False leaves robustness out.
        events: receives progress and messages.
    """
    known = answers.only((np.array(answers.parts) == TEST) & answers.truth.is_known)
    found: Robustness | NotMeasured = NotMeasured("off")
    if wanted:
        found = measure_robustness(
            predictor,
            known,
            job,
            seed=seed,
            until=until,
            on_progress=partial(events.count, MEASURING_ROBUSTNESS),
        )
    if found == NotMeasured("time"):
        events.say(ROBUSTNESS_SKIPPED)
    return Trust(slices=evaluate_slices(known, seed=seed), robustness=found)
