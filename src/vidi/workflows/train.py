"""The whole story: read → check → split → train → to ONNX → calibrate → evaluate → report."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.data.remote.addresses import is_remote
from vidi.data.remote.copies import remove_copies
from vidi.errors import VidiError
from vidi.evaluation.evaluate import Evaluation
from vidi.files import FolderLock, escape_path, remove_leftovers
from vidi.machine import Deadline
from vidi.report.words.sentences import accuracy_line
from vidi.training.heads.features import Embedder, embed_here
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.progress import describe_note, interrupted_at_once, writing_to
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
from vidi.workflows.interaction.stopping import stop_on_signal
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.budget import Stopwatch
from vidi.workflows.run.calibrate import calibrate_model
from vidi.workflows.run.evaluate import evaluate_model
from vidi.workflows.run.learning.ensemble import forget_members
from vidi.workflows.run.learning.learn import Learned, fold_work
from vidi.workflows.run.learning.studies import study_beforehand
from vidi.workflows.run.plan import RunPlan, read_and_plan, require_features, require_possible
from vidi.workflows.run.prepare import check_images, open_cache, split_images
from vidi.workflows.run.publish import publish_unfinished
from vidi.workflows.run.read import Found
from vidi.workflows.run.report import report_run
from vidi.workflows.run.rungs import begin_run, learn_above, learn_from_scratch, learn_head
from vidi.workflows.run.session import Session
from vidi.workflows.run.start import read_start
from vidi.workflows.tracking.listener import TRACKERS, find_tracker, tracked
from vidi.workflows.tracking.tracker import TrackedRun, TrackerKind, read_noted

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing

__all__ = ["Run", "TrainRequest", "resume", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Result of a training."""

    folder: Path  # the run folder
    finished: bool  # False: the model is marked unfinished, and `resume` continues it
    stopped_by: str  # `plan`, `patience`, `deadline` or `user`
    test: Evaluation | None = field(repr=False)  # None if unfinished, or if there was no test part
    notes: tuple[str, ...] = ()  # remarks on the training
    refused: int = 0  # number of images that could not be used
    seconds: Mapping[str, float] = field(default_factory=dict, repr=False)  # time of each stage

    def __repr__(self) -> str:
        """The folder, and the accuracy with its interval and n."""
        about = accuracy_line(self.test) if self.finished else f"unfinished, stopped by {self.stopped_by}"
        return f"<Run {escape_path(self.folder)}: {about}>"

    def plot(self) -> "Drawing":
        """Draw learning curves and test figures; a notebook shows them, and their `save` writes them."""
        from vidi.report.pages.notebook import draw_folder

        return draw_folder(self.folder)

    def _repr_html_(self) -> str:
        from vidi.report.pages.notebook import folder_as_html

        return folder_as_html(self.folder)


def train(
    request: TrainRequest,
    *,
    events: Events = SILENCE,
    begun: Deadline | None = None,
    found: Found | None = None,
    trackers: Mapping[str, TrackerKind] = TRACKERS,
    embed: Embedder | None = None,
) -> Run:
    """Train on images, and write a tested model file into a run folder.

    Args:
        request: what the user asked for.
        events: receives progress and messages.
        begun: when the user's minutes began to run, where that was before this call.
        found: the requested images, where they were found before this call.
        trackers: what `request.track` can name.
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
    source = Path(request.data.source)
    folder = open_run_folder(
        request.output,
        name=job.found.dataset.name,
        source=source if source.is_dir() else None,
        overwrite=request.overwrite,
    )
    with FolderLock(folder), ExitStack() as stack:
        write_request(folder, request.as_dict())
        events.say(writing_to(folder))
        if tracker is not None:
            with watch.on("tracking"):
                events = _listen(stack, tracker, job, folder, events)
        session = Session(folder=folder, budget=replace(job.budget, watch=watch), events=events)
        stack.enter_context(_offering_to_resume(folder, events))
        return _run(job, session, embed or embed_here)


def resume(
    run: Path,
    *,
    finish: bool = False,
    events: Events = SILENCE,
    embed: Embedder | None = None,
) -> Run:
    """Continue an interrupted run with its own data and recipe.

    Args:
        run: its folder.
        finish: train no more; only calibrate, test and report.
        events: receives progress and messages.
        embed: as for `train`; it need not be what the run began with.

    Raises:
        UsageError: not a run of `vidi train`, or one that is finished.
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
        ):
            session = Session(folder=folder, budget=job.budget, finish=finish, events=listening)
            return _run(job, session, embed or embed_here)


@contextmanager
def _offering_to_resume(folder: Path, events: Events) -> Iterator[None]:
    """Where Ctrl-C ends the run at once, say how it goes on; what was done is read or computed again."""
    try:
        yield
    except KeyboardInterrupt:
        events.say(interrupted_at_once(folder))
        raise


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


def _run(job: RunPlan, session: Session, embed: Embedder) -> Run:
    """Every step after reading; the folder is held by this process, and holds an honest model file from `head` on."""
    request, folder, events, budget = job.request, session.folder, session.events, session.budget
    watch, cache = budget.watch, open_cache(events)
    watch.turn_to("reading")
    checked = check_images(
        job.found, image_size=job.recipe.image_size, cache=cache, workers=request.workers, events=events
    )
    split = split_images(checked, folder)
    start = None
    if request.weights is not None:
        start = read_start(Path(request.weights), trainings=request.ensemble or 1)
    begin_run(folder, job, split, start=start, events=events)
    session = replace(session, fold_work=fold_work(budget, split))
    watch.turn_to("heads")
    head, model, left_out = learn_head(session, job, split, embed=embed), None, None
    if head is not None:
        watch.turn_to("to ONNX")
        model = publish_unfinished(folder, head)  # what comes may be better
    elif request.diagnostics.requested:
        left_out = study_beforehand(session, split, diagnostics=request.diagnostics, embed=embed)
    with stop_on_signal() as should_stop:
        session = replace(session, should_stop=should_stop)
        watch.turn_to("training")
        if head is None:
            learned = learn_from_scratch(session, job, split, start=start, left_out=left_out)
        else:
            learned = learn_above(session, job, head)
        trained = learned.trained
        if head is None or model is None or trained.network is not head.trained.network:
            watch.turn_to("to ONNX")
            model = publish_unfinished(folder, learned)
        if trained.stopped_by == "user" and not session.finish:
            return _unfinished(session, learned)
        watch.turn_to("calibration")
        calibrated = calibrate_model(session, learned, model, guarantees=request.guarantees)
        if calibrated is None:  # the user stopped it
            return _unfinished(session, learned)
    watch.turn_to("test")
    tested = evaluate_model(folder, learned, calibrated, budget=budget, events=events, with_images=request.images)
    watch.turn_to("report")
    report_run(folder, learned, calibrated=calibrated, tested=tested, with_images=request.images, watch=watch)
    forget_members(folder, events)
    events.finished(folder)
    if not request.images:
        cache.remove_used()
        if is_remote(request.data.source):
            remove_copies(request.data.source)
    refused = len(tested.account.refused) + job.refused_backgrounds
    return Run(
        folder=folder,
        finished=True,
        stopped_by=trained.stopped_by,
        test=tested.test,
        notes=tuple(map(describe_note, trained.notes)),
        refused=refused,
        seconds=watch.rounded(),
    )


def _unfinished(session: Session, learned: Learned) -> Run:
    return Run(
        folder=session.folder,
        finished=False,
        stopped_by="user",
        test=None,
        notes=tuple(map(describe_note, learned.trained.notes)),
        refused=len(learned.images.check.account.refused),
        seconds=session.budget.watch.rounded(),
    )
