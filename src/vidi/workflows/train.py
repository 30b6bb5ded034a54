"""Train a model: a new run, or an interrupted one that continues; its stages are in `run/stages.py`."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.errors import VidiError
from vidi.files import FolderLock, escape_path, remove_leftovers
from vidi.machine import Deadline
from vidi.training.heads.features import Embedder, embed_here
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.event_file import recorded
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.run_folder import (
    RECIPE,
    REQUEST,
    discard_folder,
    find_run,
    open_run_folder,
    read_request,
    refuse_finished,
    understood,
    write_request,
)
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.budget import Session, Stopwatch
from vidi.workflows.run.plan import RunPlan, read_and_plan, require_features, require_possible
from vidi.workflows.run.read import FoundData
from vidi.workflows.run.stages import Run, run_stages
from vidi.workflows.tracking.listener import TRACKERS, find_tracker, tracked
from vidi.workflows.tracking.tracker import TrackedRun, TrackerKind, read_noted

if TYPE_CHECKING:
    pass

__all__ = ["Run", "TrainRequest", "resume", "train"]


def train(
    request: TrainRequest,
    *,
    events: Events = SILENCE,
    begun: Deadline | None = None,
    found: FoundData | None = None,
    trackers: Mapping[str, TrackerKind] = TRACKERS,
    embed: Embedder | None = None,
) -> Run:
    """Train on images, and write a tested model file into a run folder.

    Args:
        embed: computes the features of pretrained networks, in place of this process.

    Raises:
        UsageError, DataError, ModelError, ResourceError, GateError: as their names say; nothing half is left.
    """
    watch = Stopwatch(stage="reading")
    if begun is not None:
        watch.add("reading", -begun.seconds_left())
    tracker = find_tracker(request.track, trackers)
    job = read_and_plan(request, events=events, begun=begun, found=found)
    # What can be known to be wrong is said before anything is written.
    require_possible(job, has_features=embed is not None)
    folder = open_run_folder(
        request.output,
        name=job.found.dataset.name,
        source=Path(request.data.source),
        overwrite=request.overwrite,
    )
    with FolderLock(folder), ExitStack() as stack:
        write_request(folder, replace(request, data=job.found.request).as_dict())
        events.say(f"writing to {escape_path(folder)}")
        if tracker is not None:
            with watch.on("tracking"):
                events = _listen(stack, tracker, job, folder, events)
        stack.enter_context(_offering_to_resume(folder, events))
        events = stack.enter_context(_recorded(folder, events))
        session = Session(folder=folder, budget=replace(job.budget, watch=watch), events=events)
        return run_stages(job, session, embed=embed or embed_here)


def resume(
    run: Path,
    *,
    finish: bool = False,
    events: Events = SILENCE,
    embed: Embedder | None = None,
) -> Run:
    """Continue an interrupted run with its own data and recipe.

    Args:
        finish: train no more; only calibrate, test and report.
        embed: as for `train`; it need not be what the run began with.

    Raises:
        UsageError: not a run of `vidi train`, or one that is finished.
        DataError: an image that the run may have learned from was forgotten.
        ModelError: the data, the recipe or the checkpoint is not what the run was started with.
    """
    folder = find_run(run)
    with understood(folder / REQUEST):
        request = TrainRequest.from_dict(read_request(folder))
    with FolderLock(folder):
        remove_leftovers(folder)
        refuse_finished(folder)
        saved = folder / RECIPE
        recipe = Recipe.from_toml(saved.read_text("utf-8")) if saved.exists() else None
        job = read_and_plan(request, recipe, events=events)
        if embed is not None:
            require_features(job)
        with (
            _tracked(find_tracker(request.track), job, folder, events) as listening,
            _offering_to_resume(folder, listening),
            _recorded(folder, listening) as listening,
        ):
            session = Session(folder=folder, budget=job.budget, finish=finish, events=listening)
            return run_stages(job, session, embed=embed or embed_here)


@contextmanager
def _offering_to_resume(folder: Path, events: Events) -> Iterator[None]:
    """Where Ctrl-C ends the run at once, say how it goes on; what was done is read or computed again."""
    try:
        yield
    except KeyboardInterrupt:
        events.say(f"interrupted; continue: vidi train --resume {escape_path(folder)}")
        raise


def _recorded(folder: Path, events: Events) -> AbstractContextManager[Events]:
    return recorded(folder, events, resume=f"vidi train --resume {escape_path(folder)}")


def _listen(stack: ExitStack, kind: TrackerKind, job: RunPlan, folder: Path, events: Events) -> Events:
    """The listeners of a new run; a tracker that cannot be opened leaves no folder."""
    try:
        return stack.enter_context(_tracked(kind, job, folder, events))
    except VidiError:
        discard_folder(folder)
        raise


def _tracked(kind: TrackerKind | None, job: RunPlan, folder: Path, events: Events) -> AbstractContextManager[Events]:
    """The listener, and the user's tracker beside it."""
    name = job.request.track or ""
    facts = {"vidi.version": version("vidi"), "vidi.data": job.found.dataset.name}
    run = TrackedRun(folder=folder, facts=facts, noted=read_noted(folder, name))
    return tracked(kind, name, run, events=events)
