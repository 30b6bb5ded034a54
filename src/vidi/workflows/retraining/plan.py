"""What a retraining starts from: the run, the model in use, and the request of the new training."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidi.errors import UsageError
from vidi.files import digest_of, escape_path
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.registered import CURRENT, follows_name, models_folder
from vidi.registry.registered import RegisteredModel, find_name, list_registered, require_name
from vidi.workflows.interaction.registered_run import run_of
from vidi.workflows.interaction.run_folder import REQUEST, SPLITS, find_run, read_request, understood
from vidi.workflows.requests.retrain import RetrainRequest
from vidi.workflows.requests.train import TrainRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainPlan:
    """What is trained again, and which model the result has to beat."""

    run: Path  # the run folder: its data, its split, its way of training
    champion: ModelFile  # the model in use; the run's own where none is registered
    name: str | None  # under which the champion is in use, and the candidate would be
    version: str | None  # of the champion


def plan_retraining(request: RetrainRequest, *, root: Path | None = None) -> RetrainPlan:
    """Find the run, the model in use and its name.

    Args:
        request: what the user asked for.
        root: the registry's folder; that of this computer by default.

    Raises:
        UsageError: no such run or name, the run of a registered model is gone, or several names hold its model.
        ModelError: no model file.
    """
    root = root or models_folder()
    registered = _named(request, root)
    if follows_name(request.run) and registered is not None:
        folder = run_of(registered, remedy=f"Name its run folder: vidi retrain RUN --name {registered.name}")
    else:
        folder = find_run(request.run)
    for needed in (REQUEST, SPLITS):
        if not (folder / needed).is_file():
            raise UsageError(f"{escape_path(folder)} holds no {needed}", "Name a run folder that `vidi train` wrote.")
    own = read_model(folder)
    if registered is None and request.name is None:
        registered = _in_use_as(own, root)
    if registered is None:
        return RetrainPlan(run=folder, champion=own, name=request.name, version=None)
    champion = read_model(registered.model)
    return RetrainPlan(run=folder, champion=champion, name=registered.name, version=registered.current.version)


def _named(request: RetrainRequest, root: Path) -> RegisteredModel | None:
    """The registered model that the user names, with --name or as RUN."""
    if request.name is not None:
        return find_name(root, request.name) if (root / require_name(request.name) / CURRENT).is_file() else None
    return find_name(root, request.run.name) if follows_name(request.run) else None


def _in_use_as(model: ModelFile, root: Path) -> RegisteredModel | None:
    """The name under which a run's model is in use; None where there is none."""
    digest = digest_of(model.data)
    found = [one for one in list_registered(root) if one.current.sha256 == digest]
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise UsageError(f"this model is in use under several names: {names}", "Name one with --name.")
    return found[0] if found else None


def request_again(plan: RetrainPlan, request: RetrainRequest) -> TrainRequest:
    """The request of the new training: the old data and the feedback, on the old split.

    A head on pretrained features is fitted again on the same features, exactly and in little time. Any other network
    continues from the run's weights (`--from`). An ensemble is followed by one of as many networks, each of which
    continues from one of the old ones.

    Args:
        plan: of `plan_retraining`.
        request: what the user asked for.

    Raises:
        UsageError: run.json cannot be read.
    """
    with understood(plan.run / REQUEST):
        before = TrainRequest.from_dict(read_request(plan.run))
    # What was learned from feedback before stays; of an image that is labelled again the last label counts.
    feedback = tuple(dict.fromkeys((*before.data.feedback, *filter(None, [request.feedback]))))
    data = replace(before.data, split_file=str(plan.run), feedback=feedback)
    recipe: Any = read_model(plan.run).metadata.recipe or {}
    start = _same_head(before, recipe) if recipe.get("freeze") else _from_weights(before, plan.run)
    return replace(
        start,
        data=data,
        output=request.output,
        minutes=request.minutes or before.minutes,
    )


def _same_head(before: TrainRequest, recipe: Any) -> TrainRequest:
    size = tuple(recipe["image_size"])
    changes = {**before.changes, "freeze": True, "image_size": size}
    weights = before.pretrained if before.pretrained not in (None, "auto") else str(recipe["pretrained"])
    return replace(before, weights=None, network=None, recipe=None, pretrained=weights, changes=changes)


def _from_weights(before: TrainRequest, run: Path) -> TrainRequest:
    changes = {name: value for name, value in before.changes.items() if name != "freeze"}
    return replace(before, weights=str(run), network=None, recipe=None, pretrained=None, changes=changes)
