"""The plan of a run before its first image is decoded: data, recipe, steps and time."""

from dataclasses import dataclass, replace
from pathlib import Path

from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.machine import Deadline
from vidi.training.recipe import Recipe
from vidi.training.traits import DataTraits
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import find_backgrounds, split_file_of
from vidi.workflows.locating import class_of_nothing
from vidi.workflows.requests.train import TrainRequest, refuse_for_labels
from vidi.workflows.run.budget import TABLE, Budget, skipping
from vidi.workflows.run.learning.backgrounds import check_backgrounds
from vidi.workflows.run.learning.candidates import (
    AUTO,
    MOST_FOR_PAIRS,
    NONE,
    Candidate,
    affordable,
    candidates_for,
)
from vidi.workflows.run.learning.ensemble import require_ensemble
from vidi.workflows.run.learning.stage_plan import StagePlan, plan_stages
from vidi.workflows.run.read import FoundData, find_images
from vidi.workflows.run.recipes import choose_recipe, require_trainable
from vidi.workflows.run.start import Start, read_start

OF_WINDOWS_USUAL = "lite0-grid"  # its head sees where things are
TRAIN_AND_VALIDATION = 8 / 7  # images of the train and validation parts, where vidi splits, in images of the train part


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """Plan of a run before the first image is decoded."""

    request: TrainRequest
    found: FoundData
    recipe: Recipe
    budget: Budget  # for everything, counted from the first look
    stage_plan: StagePlan
    candidates: tuple[Candidate, ...]  # pretrained networks to try for the stage plan's first stage
    start: Start | None = None  # weights of an earlier run to begin from
    refused_backgrounds: int = 0  # photographs of `--background` that cannot be used


def read_and_plan(
    request: TrainRequest,
    recipe: Recipe | None = None,
    *,
    events: Events,
    begun: Deadline | None = None,
    found: FoundData | None = None,
) -> RunPlan:
    """Find the images and choose the recipe, unless they are given; the time counts from `begun` or now."""
    begun = begun or Deadline.after(0.0)
    request = _for_windows(request)
    if request.data.multi_label:
        refuse_for_labels(request)
    found = found or find_images(request.data)
    refused = _check_backgrounds(request, found, events=events)
    stage_plan = find_stages(request, found.traits)
    require_ensemble(request.ensemble, only_head=bool(request.changes.get("freeze")))
    budget = Budget(None if stage_plan.minutes is None else begun.later(60 * stage_plan.minutes))
    candidates = _affordable_candidates(request, found, stage_plan, budget, events=events)
    if recipe is None or candidates:
        recipe = choose_recipe(request, found.traits, candidates, events=events)
    return RunPlan(
        request=request,
        found=found,
        recipe=recipe,
        budget=budget,
        stage_plan=stage_plan,
        candidates=candidates,
        start=_start(request),
        refused_backgrounds=refused,
    )


def _start(request: TrainRequest) -> Start | None:
    if request.weights is None:
        return None
    return read_start(Path(request.weights), trainings=request.ensemble or 1)


def train_and_validation_count(found: FoundData) -> int:
    """Estimate the number of images in the train and validation parts."""
    return round(found.traits.image_count * TRAIN_AND_VALIDATION)


def require_possible(job: RunPlan, *, has_features: bool = False) -> None:
    """Refuse impossible requests before anything is written.

    Raises:
        UsageError, ModelError: the network cannot be built or trained here, or the target does not fit.
    """
    request, classes = job.request, job.found.dataset.classes
    require_trainable(job.recipe, class_count=len(classes))
    if has_features:
        require_features(job)
    if request.guarantees.target is not None:
        request.guarantees.target.require_fitting(classes, positive=request.data.positive)
    split_file_of(request.data)


def require_features(job: RunPlan) -> None:
    """Refuse a run that computes no features of a pretrained network where these are to be computed elsewhere.

    Raises:
        UsageError: it trains by gradients alone.
    """
    if "head" not in job.stage_plan.stages:
        raise UsageError(
            "--ray computes the features of pretrained networks, and this run needs none",
            "Leave out --ray: a network is trained on one computer.",
        )


def _check_backgrounds(request: TrainRequest, found: FoundData, *, events: Events) -> int:
    """How many photographs of `--background` cannot be used; enough others can."""
    if request.data.background is None:
        return 0
    class_of_nothing(found.dataset.classes)
    return check_backgrounds(request.data, workers=request.workers, events=events)


def _affordable_candidates(
    request: TrainRequest, found: FoundData, stage_plan: StagePlan, budget: Budget, *, events: Events
) -> tuple[Candidate, ...]:
    """The pretrained networks that there is time to try; none where the stage plan begins elsewhere."""
    candidates = find_candidates(request, found.traits) if "head" in stage_plan.stages else ()
    if not candidates or budget.deadline is None:
        return candidates
    count, left = train_and_validation_count(found), budget.deadline.seconds_left()
    comparing = TABLE["comparing backbones"].needs(count)
    if len(candidates) > 1 and budget.is_short and comparing > budget.room_for("comparing backbones", count):
        events.say(skipping("comparing backbones"))
        candidates = candidates[:1]
    room = float("inf") if "image_size" in request.changes else budget.room_for("features", count)
    candidates, reason = affordable(candidates, image_count=count, seconds_left=left, room=room)
    if reason:
        events.say(reason)
    return candidates


def _for_windows(request: TrainRequest) -> TrainRequest:
    """Use features that keep their positions if there are photographs of backgrounds, unless others are named.

    Raises:
        UsageError: no head on pretrained features is asked for, or there is no such photograph.
    """
    if request.data.background is None:
        return request
    given = {
        f"--network {request.network}": request.network,
        f"--from {request.weights}": request.weights,
        f"--recipe {request.recipe}": request.recipe,
        "--pretrained none": request.pretrained == NONE,
        f"--ensemble {request.ensemble}": request.ensemble,
    }
    for flag, is_given in given.items():
        if is_given:
            raise UsageError(
                f"--background trains a head on pretrained features, so it excludes {escape_path(flag)}",
                f"Leave out {escape_path(flag)}: vidi train DATA --background DIR",
            )
    find_backgrounds(request.data)
    changes = {"head": "multinomial", **request.changes, "freeze": True}
    return replace(request, pretrained=request.pretrained or OF_WINDOWS_USUAL, changes=changes)


def find_stages(request: TrainRequest, traits: DataTraits) -> StagePlan:
    """List what the request allows, from a head on pretrained features to a network from scratch.

    Raises:
        UsageError: it names two places for the network to come from.
    """
    is_set = not (request.network is None and request.weights is None and request.recipe is None)
    if is_set and request.pretrained not in (None, NONE):
        _refuse_two_places(request)
    if request.changes.get("freeze") and (is_set or request.pretrained == NONE):
        raise UsageError(
            "--freeze trains only a head on a pretrained network, but another network was chosen",
            "Leave it out, or use --pretrained auto instead of --network, --from, --recipe or --pretrained none.",
        )
    return plan_stages(
        traits,
        pretrained=request.pretrained,
        is_set=is_set,
        changes=request.changes,
        minutes=request.minutes,
        trainings=request.ensemble or 1,
    )


def _refuse_two_places(request: TrainRequest) -> None:
    for flag, value in (("--network", request.network), ("--from", request.weights), ("--recipe", request.recipe)):
        if value is not None:
            raise UsageError(
                f"{flag} {value} and --pretrained {request.pretrained} both choose the network",
                "Use only one of them.",
            )


def recipe_of_first_stage(request: TrainRequest, traits: DataTraits, *, events: Events) -> Recipe:
    """Choose the recipe of the first stage; of a head, with the network of `auto` that wins most often."""
    candidates: tuple[Candidate, ...] = ()
    if find_stages(request, traits).stages[0] == "head":
        asked = request.changes.get("image_size")
        size = asked if isinstance(asked, tuple) else None
        possible = candidates_for(request.pretrained or AUTO, usual_size=traits.usual_size, image_size=size)
        candidates = ([one for one in possible if one.size == possible[0].size][-1],)
    return choose_recipe(request, traits, candidates, events=events)


def find_candidates(request: TrainRequest, traits: DataTraits) -> tuple[Candidate, ...]:
    """List the pretrained networks that the request allows."""
    asked = request.changes.get("image_size")
    size = (int(asked[0]), int(asked[1])) if isinstance(asked, tuple) else None
    pairs = traits.image_count < MOST_FOR_PAIRS
    return candidates_for(request.pretrained or AUTO, usual_size=traits.usual_size, image_size=size, pairs=pairs)
