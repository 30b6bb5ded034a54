"""The whole story: read → check → split → train → to ONNX → calibrate → evaluate → report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vidi.data.dataset import Dataset
from vidi.errors import UsageError
from vidi.evaluation.evaluation import Evaluation
from vidi.files import FolderLock, escape_path, remove_leftovers
from vidi.machine import Deadline
from vidi.networks.build import design_network
from vidi.training.defaults import DataTraits, recipe_for
from vidi.training.engine import choose_device
from vidi.training.recipe import Recipe
from vidi.training.train import TrainedNetwork
from vidi.workflows.backbones import AUTO, NONE, Candidate, backbone_recipe, candidates_for
from vidi.workflows.calibrate import calibrate_model
from vidi.workflows.ensemble import EnsemblePlan, fitting_ensemble, forget_members, learn_by_plan, plan_ensemble
from vidi.workflows.events import SILENCE, Events
from vidi.workflows.ladder import Ladder, climb, plan_ladder
from vidi.workflows.learn import describe_preparation, forget_pixels, keep_preparation
from vidi.workflows.prepare import Prepared, look_at_sizes, prepare, traits_of
from vidi.workflows.publish import publish_finished, publish_unfinished
from vidi.workflows.recipe_file import read_recipe_file, require_fitting, shaped_by
from vidi.workflows.request import DataRequest, read_requested, split_file_of
from vidi.workflows.run_folder import (
    RECIPE,
    SPLITS,
    find_run,
    open_run_folder,
    read_request,
    refuse_finished,
    write_request,
)
from vidi.workflows.start import read_start
from vidi.workflows.stopping import stop_on_signal
from vidi.workflows.study import Asked
from vidi.workflows.study_features import study_beforehand
from vidi.workflows.transfer import learn_by_features

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What the user asked for, beside the data."""

    data: DataRequest
    network: str | None = None  # compact where left out, or that of `weights`
    weights: str | None = None  # a run folder or model file to begin from
    pretrained: str | None = None  # weights learnt from other images: a name, `auto`, or None for new ones
    recipe: str | None = None  # a recipe.toml that stands in place of the rules
    changes: Mapping[str, object] = field(default_factory=dict)  # fields of the recipe that the user set
    minutes: float | None = None  # for everything, from reading to the report
    ensemble: int | None = None  # so many trainings become one model; None = one
    ensemble_by: str | None = None  # what they differ in: seeds (where left out) or folds
    asked: Asked = field(default_factory=Asked)  # what to find out about the images beyond what a run tells unasked
    workers: int | None = None  # decoding processes
    images: bool = True  # False: no picture in anything that is written, and no cache left
    output: Path | None = None
    overwrite: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for run.json."""
        values = asdict(self)
        return {**values, "output": None, "changes": dict(self.changes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The request that `as_dict` wrote."""
        plain: dict[str, Any] = {**values}
        plain["data"] = DataRequest.from_dict(plain["data"])
        plain["asked"] = Asked(**plain.get("asked", {}))
        # JSON knows no tuples, and the recipe no lists.
        changes = plain.get("changes", {}).items()
        plain["changes"] = {name: tuple(value) if isinstance(value, list) else value for name, value in changes}
        return cls(**plain)


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
        from vidi.report.notebook import draw_folder

        return draw_folder(self.folder)

    def _repr_html_(self) -> str:
        from vidi.report.notebook import folder_as_html

        return folder_as_html(self.folder)


def train(request: TrainRequest, *, events: Events = SILENCE) -> Run:
    """From images to a tested model file in a run folder.

    Raises:
        UsageError, DataError, ModelError, ResourceError, GateError: as their names say; nothing half is left.
    """
    job = _look(request, events=events)
    # What can be known to be wrong is said before anything is written.
    recipe = job.recipe
    design_network(
        recipe.network, image_size=recipe.image_size, class_count=len(job.dataset.classes), options=recipe.options
    )
    choose_device(recipe.device)
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
        return _run(folder, _look(request, recipe, events=events), events=events, finish=finish)


def choose_recipe(
    request: TrainRequest, traits: DataTraits, candidates: Sequence[Candidate] = (), *, events: Events = SILENCE
) -> Recipe:
    """The recipe for this data, with what the user set standing above every rule, and the weights to begin from."""
    if candidates:
        return backbone_recipe(candidates[0], traits, changes=request.changes, events=events)
    if request.recipe is not None:
        return _recipe_from_file(request, Path(request.recipe), class_count=traits.class_count)
    if request.weights is None:
        return recipe_for(traits, network=request.network or "compact", changes=request.changes)
    start = read_start(Path(request.weights))
    return recipe_for(traits, network=request.network or start.network, changes={**start.changes, **request.changes})


def _recipe_from_file(request: TrainRequest, path: Path, *, class_count: int) -> Recipe:
    """The user's file in place of the rules; what the user set stands above it too."""
    recipe = read_recipe_file(path)
    if recipe.pretrained:
        freeze = " --freeze" if recipe.freeze else ""
        raise UsageError(
            f"{escape_path(path)} is of a run that began from the weights {recipe.pretrained}",
            f"Choose them anew: --pretrained {recipe.pretrained} "
            f"--imgsz {recipe.image_size[0]}x{recipe.image_size[1]}{freeze}",
        )
    if request.network not in (None, recipe.network):
        raise UsageError(
            f"--network {request.network} was given, and {path} is for {recipe.network}", "Leave one of the two out."
        )
    if request.weights is not None:
        start = read_start(Path(request.weights))
        recipe = shaped_by(recipe, start.changes, network=start.network)
    recipe = recipe.changed(request.changes, source="you")
    require_fitting(recipe, path, class_count=class_count)
    return recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is known before the first image is decoded."""

    request: TrainRequest
    dataset: Dataset
    sizes: Sequence[tuple[int, int]]  # (height, width) of the images, or of a sample
    recipe: Recipe
    deadline: Deadline | None  # for everything, counted from the first look
    traits: DataTraits
    ladder: Ladder
    candidates: tuple[Candidate, ...]  # pretrained networks to try for the ladder's first rung
    ensemble: EnsemblePlan | None


def _look(request: TrainRequest, recipe: Recipe | None = None, *, events: Events) -> _Job:
    """Find the images, and choose the recipe unless it is given."""
    begun = Deadline.after(0.0)
    dataset = read_requested(request.data)
    sizes = look_at_sizes(dataset)
    traits = traits_of(dataset, sizes)
    ensemble = plan_ensemble(request.ensemble, request.ensemble_by)
    ladder = find_ladder(request, traits)
    candidates = find_candidates(request, traits) if "head" in ladder.rungs else ()
    if recipe is None or candidates:
        recipe = choose_recipe(request, traits, candidates, events=events)
    return _Job(
        request=request,
        dataset=dataset,
        sizes=sizes,
        recipe=recipe,
        deadline=None if ladder.minutes is None else begun.later(60 * ladder.minutes),
        traits=traits,
        ladder=ladder,
        candidates=candidates,
        ensemble=fitting_ensemble(ensemble, only_head=ladder.rungs == ("head",)),
    )


def find_ladder(request: TrainRequest, traits: DataTraits) -> Ladder:
    """What the request leaves to be tried, from a head on learnt features to a network from scratch.

    Raises:
        UsageError: it names two places for the network to come from.
    """
    is_set = not (request.network is None and request.weights is None and request.recipe is None)
    if is_set and request.pretrained not in (None, NONE):
        _refuse_two_places(request)
    return plan_ladder(
        traits, pretrained=request.pretrained, is_set=is_set, changes=request.changes, minutes=request.minutes,
        trainings=request.ensemble or 1,
    )  # fmt: skip


def _refuse_two_places(request: TrainRequest) -> None:
    for flag, value in (("--network", request.network), ("--from", request.weights), ("--recipe", request.recipe)):
        if value is not None:
            raise UsageError(
                f"{flag} {value} and --pretrained {request.pretrained} both say where the network comes from",
                "Give one of them.",
            )


def find_candidates(request: TrainRequest, traits: DataTraits) -> tuple[Candidate, ...]:
    """The pretrained networks that the request leaves to be tried."""
    asked = request.changes.get("image_size")
    size = (int(asked[0]), int(asked[1])) if isinstance(asked, tuple) else None
    return candidates_for(request.pretrained or AUTO, usual_size=traits.usual_size, image_size=size)


def _run(folder: Path, job: _Job, *, events: Events, finish: bool = False) -> Run:
    """Everything from the first decoded image on; the folder is held by this process."""
    request, recipe, deadline = job.request, job.recipe, job.deadline
    prepared, head = _prepare(folder, job, events=events), None
    if job.candidates:  # Ctrl-C ends it at once: only features are lost, and resuming computes them again
        prepared, head = learn_by_features(
            folder, prepared, recipe, job.candidates, ensemble=job.ensemble, asked=request.asked, events=events
        )
        publish_unfinished(folder, prepared, head)  # what comes may be better; this is there already
    elif request.asked.anything:
        prepared = study_beforehand(folder, prepared, asked=request.asked, with_images=request.images, events=events)
    with stop_on_signal() as should_stop:
        prepared, trained = _learn_above(
            folder, job, prepared, head, finish=finish, should_stop=should_stop, events=events
        )
        publish_unfinished(folder, prepared, trained)
        if trained.stopped_by == "user" and not finish:
            return _unfinished(folder, prepared, trained)
        calibration = calibrate_model(
            folder, prepared, trained, deadline=deadline, should_stop=should_stop, events=events
        )
        if calibration is None:  # the user stopped it
            return _unfinished(folder, prepared, trained)
    published = publish_finished(folder, prepared, trained, calibration, with_images=request.images, events=events)
    forget_members(folder, events=events)
    if not request.images:
        forget_pixels(prepared)
    return Run(
        folder=folder,
        finished=True,
        stopped_by=trained.stopped_by,
        test=published.test,
        notes=trained.notes,
        refused=published.refused,
    )


def _prepare(folder: Path, job: _Job, *, events: Events) -> Prepared:
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
    job: _Job,
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
