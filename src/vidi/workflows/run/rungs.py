"""The rungs of a run's ladder in order: a head on pretrained features, then the next candidates."""

from dataclasses import replace
from pathlib import Path

from vidi.training.train import TrainedNetwork
from vidi.workflows.run.context import Context
from vidi.workflows.run.learning.ensemble import learn_once_or_more, noting_no_ensemble
from vidi.workflows.run.learning.head import learn_by_features
from vidi.workflows.run.learning.ladder import climb
from vidi.workflows.run.learning.learn import keep_preparation
from vidi.workflows.run.learning.studies import study_beforehand
from vidi.workflows.run.plan import RunPlan
from vidi.workflows.run.prepare import Prepared
from vidi.workflows.run.start import read_start


def begin_run(context: Context, job: RunPlan, prepared: Prepared) -> Prepared:
    """The data with the weights to start from; findings and plan are stored and reported."""
    if job.request.weights is not None:
        prepared = replace(prepared, start=read_start(Path(job.request.weights), trainings=job.request.ensemble or 1))
    keep_preparation(context, prepared, job.recipe)
    if job.ladder.reason:
        context.events.say(job.ladder.sentence)
    return prepared


def learn_head(context: Context, job: RunPlan, prepared: Prepared) -> tuple[Prepared, TrainedNetwork | None]:
    """Train a head on pretrained features, with its framed data; None for a network from scratch.

    Ctrl-C ends it at once: only features are lost, and resuming computes them again.
    """
    diagnostics = job.request.diagnostics
    context.watch.turn_to("heads")
    if job.candidates:
        return learn_by_features(context, prepared, job.recipe, candidates=job.candidates, diagnostics=diagnostics)
    return (study_beforehand(context, prepared, diagnostics=diagnostics) if diagnostics.requested else prepared), None


def learn_above(
    context: Context, job: RunPlan, prepared: Prepared, head: TrainedNetwork | None
) -> tuple[Prepared, TrainedNetwork]:
    """Return the best network of the run, with its framed data."""
    context.watch.turn_to("training")
    if head is None:
        return prepared, learn_once_or_more(context, prepared, job.recipe, job.request.ensemble)
    if len(job.ladder.rungs) == 1:
        return prepared, noting_no_ensemble(head, job.request.ensemble)
    (_, rung) = job.ladder.rungs
    return climb(context, prepared, head, rung=rung, changes=job.request.changes, ensemble=job.request.ensemble)
