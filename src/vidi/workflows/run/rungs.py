"""The rungs of a run's ladder in order: a head on pretrained features, then the next candidates."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.training.heads.features import Embedder
from vidi.workflows.interaction.events import Events
from vidi.workflows.run.learning.ensemble import learn_once_or_more, noting_no_ensemble
from vidi.workflows.run.learning.head import learn_by_features
from vidi.workflows.run.learning.ladder import climb
from vidi.workflows.run.learning.learn import Learned, keep_preparation, training_data
from vidi.workflows.run.plan import RunPlan
from vidi.workflows.run.prepare import SplitImages
from vidi.workflows.run.session import Session
from vidi.workflows.run.start import Start


def begin_run(folder: Path, job: RunPlan, images: SplitImages, *, start: Start | None, events: Events) -> None:
    """Store and report what was found, and the plan."""
    keep_preparation(folder, images, job.recipe, start=start, events=events)
    if job.ladder.reason:
        events.say(job.ladder.sentence)


def learn_head(session: Session, job: RunPlan, images: SplitImages, *, embed: Embedder) -> Learned | None:
    """Train a head on pretrained features; None for a network from scratch.

    Ctrl-C ends it at once: only features are lost, and resuming computes them again.
    """
    if not job.candidates:
        return None
    diagnostics = job.request.diagnostics
    return learn_by_features(
        session, images, job.recipe, candidates=job.candidates, diagnostics=diagnostics, embed=embed
    )


def learn_from_scratch(
    session: Session, job: RunPlan, images: SplitImages, *, start: Start | None, left_out: NDArray[np.int64] | None
) -> Learned:
    """Train a network that has no rung below it, once or more.

    Args:
        session: of the run.
        job: what is planned.
        images: of `split_images`.
        start: weights to begin from.
        left_out: images from which nothing is learned.
    """
    data = training_data(images, start, left_out=left_out)
    trained = learn_once_or_more(session, data, job.recipe, job.request.ensemble, start=start)
    return Learned(images=images, data=data, trained=trained, start=start)


def learn_above(session: Session, job: RunPlan, head: Learned) -> Learned:
    """Return the best network of the run: the head, or what was trained on the rung above it."""
    if len(job.ladder.rungs) == 1:
        return replace(head, trained=noting_no_ensemble(head.trained, job.request.ensemble))
    (_, rung) = job.ladder.rungs
    return climb(session, head, rung=rung, changes=job.request.changes, ensemble=job.request.ensemble)
