"""The stages of a run in order: check → split → learn → to ONNX → calibrate → test → report."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.evaluation.evaluate import Evaluation
from vidi.files import escape_path, write_atomic
from vidi.report.words.sentences import accuracy_line
from vidi.training.heads.features import Embedder
from vidi.workflows.interaction.run_folder import RECIPE
from vidi.workflows.interaction.stopping import stop_on_signal
from vidi.workflows.run.budget import Session
from vidi.workflows.run.calibrate import calibrate_model
from vidi.workflows.run.evaluate import evaluate_model
from vidi.workflows.run.learning.head import learn_by_features
from vidi.workflows.run.learning.learn import (
    LearnedModel,
    fold_work,
    forget_members,
    keep_preparation,
    learn,
    training_data,
)
from vidi.workflows.run.learning.studies import study_beforehand
from vidi.workflows.run.learning.train_stages import train_stages
from vidi.workflows.run.plan import RunPlan
from vidi.workflows.run.prepare import forget_images, split_images
from vidi.workflows.run.publish import publish_unfinished
from vidi.workflows.run.report import report_run

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing


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


def run_stages(job: RunPlan, session: Session, *, embed: Embedder) -> Run:
    """Every stage after reading; the folder is held by this process, and holds an honest model file from `head` on."""
    request, folder, events, budget = job.request, session.folder, session.events, session.budget
    watch = budget.watch
    watch.turn_to("reading")
    split = split_images(job.found, folder, image_size=job.recipe.image_size, workers=request.workers, events=events)
    keep_preparation(folder, split, job.recipe, start=job.start, events=events)
    if job.stage_plan.reason:
        events.say(job.stage_plan.sentence)
    session = replace(session, fold_work=fold_work(budget.fold_count(), split))
    watch.turn_to("heads")
    head, model, left_out = None, None, None
    if job.candidates:
        # Ctrl-C ends this at once: only features are lost, and resuming computes them again.
        head = learn_by_features(
            session,
            split,
            job.recipe,
            candidates=job.candidates,
            diagnostics=request.diagnostics,
            embed=embed,
        )
        write_atomic(folder / RECIPE, head.trained.recipe.as_toml())
        watch.turn_to("to ONNX")
        model = publish_unfinished(folder, head)  # what comes may be better
    elif request.diagnostics.requested:
        left_out = study_beforehand(session, split, diagnostics=request.diagnostics, embed=embed)
    with stop_on_signal() as should_stop:
        session = replace(session, should_stop=should_stop)
        watch.turn_to("training")
        if head is None:
            data = training_data(split, job.start, left_out=left_out)
            network = learn(session, data, job.recipe, ensemble=request.ensemble, start=job.start)
            learned = LearnedModel(images=split, data=data, trained=network, start=job.start)
        else:
            learned = train_stages(
                session, head, stages=job.stage_plan.stages, changes=request.changes, ensemble=request.ensemble
            )
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
        forget_images(split)
    refused = len(tested.account.refused) + job.refused_backgrounds
    return Run(
        folder=folder,
        finished=True,
        stopped_by=trained.stopped_by,
        test=tested.test,
        notes=trained.notes,
        refused=refused,
        seconds=watch.rounded(),
    )


def _unfinished(session: Session, learned: LearnedModel) -> Run:
    return Run(
        folder=session.folder,
        finished=False,
        stopped_by="user",
        test=None,
        notes=learned.trained.notes,
        refused=len(learned.images.check.account.refused),
        seconds=session.budget.watch.rounded(),
    )
