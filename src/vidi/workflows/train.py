"""The whole story: read → check → split → train → to ONNX → calibrate → evaluate → report."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.evaluation.evaluation import Evaluation
from vidi.files import FolderLock, escape_path, remove_leftovers
from vidi.machine import Deadline
from vidi.networks.build import design_network
from vidi.training.engine.engine import choose_device
from vidi.training.loop.state import require_optimizer
from vidi.training.recipe import Recipe
from vidi.training.train import TrainedNetwork
from vidi.workflows.ensembles.ensemble import forget_members, learn_by_plan
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import split_file_of
from vidi.workflows.interaction.run_folder import (
    RECIPE,
    SPLITS,
    find_run,
    open_run_folder,
    read_request,
    refuse_finished,
    write_request,
)
from vidi.workflows.interaction.stopping import stop_on_signal
from vidi.workflows.interaction.train_request import TrainRequest
from vidi.workflows.run.calibrate import calibrate_model
from vidi.workflows.run.ladder import climb
from vidi.workflows.run.learn import describe_preparation, forget_pixels, keep_preparation
from vidi.workflows.run.plan import Job, look
from vidi.workflows.run.prepare import Prepared, prepare
from vidi.workflows.run.publish import publish_finished, publish_unfinished
from vidi.workflows.run.start import read_start
from vidi.workflows.run.transfer import learn_by_features
from vidi.workflows.studies.features import study_beforehand

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing

__all__ = ["Run", "TrainRequest", "resume", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What training left behind."""

    folder: Path
    finished: bool  # False: the model is marked unfinished; `resume` goes on with it
    stopped_by: str  # plan, patience, deadline or user
    test: Evaluation | None = field(repr=False)  # None while unfinished, or where no image was kept for the test
    notes: tuple[str, ...] = ()
    refused: int = 0  # images that could not be used

    def plot(self) -> "Drawing":
        """Learning curves and test figures; a notebook shows them, their `save` writes them."""
        from vidi.report.pages.notebook import draw_folder

        return draw_folder(self.folder)

    def _repr_html_(self) -> str:
        from vidi.report.pages.notebook import folder_as_html

        return folder_as_html(self.folder)


def train(request: TrainRequest, *, events: Events = SILENCE, begun: Deadline | None = None) -> Run:
    """From images to a tested model file in a run folder.

    Args:
        request: what the user asked for.
        events: what is told while it runs.
        begun: when the user's minutes began to run, where that was before this call.

    Raises:
        UsageError, DataError, ModelError, ResourceError, GateError: as their names say; nothing half is left.
    """
    job = look(request, events=events, begun=begun)
    # What can be known to be wrong is said before anything is written.
    recipe = job.recipe
    network = design_network(
        recipe.network, image_size=recipe.image_size, class_count=len(job.dataset.classes), options=recipe.options
    )
    require_optimizer(network, recipe)
    choose_device(recipe.device)
    if request.wish is not None:
        request.wish.require_fitting(job.dataset.classes, positive=request.data.positive)
    split_file_of(request.data)
    source = Path(request.data.source)
    folder = open_run_folder(
        request.output, name=job.dataset.name, source=source if source.is_dir() else None, overwrite=request.overwrite
    )
    with FolderLock(folder):
        write_request(folder, request.as_dict())
        events.say(f"writing to {escape_path(folder)}")
        return _run(folder, job, events=events)


def resume(run: Path, *, finish: bool = False, events: Events = SILENCE) -> Run:
    """Go on with a run that was interrupted, with the data and the recipe that it was started with.

    Args:
        run: its folder.
        finish: train no more; only calibrate, test and report.

    Raises:
        UsageError: not a run of `vidi train`, or one that is finished.
        ModelError: the data, the recipe or the checkpoint is not what the run was started with.
    """
    folder = find_run(run)
    request = TrainRequest.from_dict(read_request(folder))
    with FolderLock(folder):
        remove_leftovers(folder)
        refuse_finished(folder)
        saved = folder / RECIPE
        recipe = Recipe.from_toml(saved.read_text("utf-8")) if saved.exists() else None
        return _run(folder, look(request, recipe, events=events), events=events, finish=finish)


def _run(folder: Path, job: Job, *, events: Events, finish: bool = False) -> Run:
    """Everything from the first decoded image on; the folder is held by this process."""
    request, recipe, deadline = job.request, job.recipe, job.deadline
    prepared, head = _prepare(folder, job, events=events), None
    if job.candidates:  # Ctrl-C ends it at once: only features are lost, and resuming computes them again
        prepared, head = learn_by_features(
            folder,
            prepared,
            recipe,
            job.candidates,
            ensemble=job.ensemble,
            asked=request.asked,
            deadline=deadline,
            events=events,
        )
        publish_unfinished(folder, prepared, head)  # what comes may be better; this is there already
    elif request.asked.anything:
        prepared = study_beforehand(folder, prepared, asked=request.asked, events=events)
    with stop_on_signal() as should_stop:
        prepared, trained = _learn_above(
            folder, job, prepared, head, finish=finish, should_stop=should_stop, events=events
        )
        if trained is not head:
            publish_unfinished(folder, prepared, trained)
        if trained.stopped_by == "user" and not finish:
            return _unfinished(folder, prepared, trained)
        calibration = calibrate_model(
            folder, prepared, trained, promise=request.promise, wish=request.wish,
            deadline=deadline, should_stop=should_stop, events=events,
        )  # fmt: skip
        if calibration is None:  # the user stopped it
            return _unfinished(folder, prepared, trained)
    published = publish_finished(
        folder, prepared, trained, calibration, with_images=request.images, deadline=deadline, events=events
    )
    forget_members(folder, events=events)
    if not request.images:
        forget_pixels(prepared)
    return Run(
        folder=folder, finished=True, stopped_by=trained.stopped_by,
        test=published.test, notes=trained.notes, refused=published.refused + job.refused_backgrounds,
    )  # fmt: skip


def _prepare(folder: Path, job: Job, *, events: Events) -> Prepared:
    """The decoded images with their split, kept and told, and the plan."""
    request, recipe = job.request, job.recipe
    prepared = prepare(
        job.dataset, request.data, sizes=job.sizes, image_size=recipe.image_size, workers=request.workers,
        own=folder / SPLITS, on_progress=events.reading,
    )  # fmt: skip
    if request.weights is not None:
        prepared = replace(prepared, start=read_start(Path(request.weights)))
    keep_preparation(folder, prepared, recipe)
    for sentence in describe_preparation(prepared, recipe):
        events.say(sentence)
    if job.ladder.reason:
        events.say(job.ladder.sentence)
    return prepared


def _learn_above(
    folder: Path,
    job: Job,
    prepared: Prepared,
    head: TrainedNetwork | None,
    *,
    finish: bool,
    should_stop: Callable[[], bool],
    events: Events,
) -> tuple[Prepared, TrainedNetwork]:
    """The best network of the run, with the data as it wants them: the head's, or what was trained after it."""
    if head is None:
        trained = learn_by_plan(
            folder, prepared, job.recipe, job.ensemble,
            deadline=job.deadline, finish=finish, should_stop=should_stop, events=events,
        )  # fmt: skip
        return prepared, trained
    if len(job.ladder.rungs) == 1:
        return prepared, head
    return climb(
        folder, prepared, head, job.ladder.rungs[1], traits=job.traits, changes=job.request.changes,
        ensemble=job.ensemble, deadline=job.deadline, finish=finish, should_stop=should_stop, events=events,
    )  # fmt: skip


def _unfinished(folder: Path, prepared: Prepared, trained: TrainedNetwork) -> Run:
    return Run(
        folder=folder,
        finished=False,
        stopped_by="user",
        test=None,
        notes=trained.notes,
        refused=len(prepared.check.account.refused),
    )
