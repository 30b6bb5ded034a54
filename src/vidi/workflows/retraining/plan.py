"""What a retraining starts from: the run, the model in use, and the request of the new training."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidi.data.dataset import NEWEST
from vidi.data.joined import is_feedback_path
from vidi.data.splitting.split_plan import read_assignments
from vidi.errors import DataError, UsageError
from vidi.evaluation.answers import TEST
from vidi.files import digest_of, escape_path
from vidi.labelling import cap_sources, newest_reviewed
from vidi.log.address import is_log, parse_address
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.registered import CURRENT, follows_name, models_folder
from vidi.registry import RegisteredModel, find_name, list_registered, require_name
from vidi.workflows.interaction.request import labelled_in_project, labels_state_of
from vidi.workflows.interaction.run_folder import REQUEST, SPLITS, find_run, read_request, run_of, understood
from vidi.workflows.requests.in_use import RetrainRequest
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.reviewing.from_log import confirmed_labels
from vidi.workflows.reviewing.items import ExportedLabels, write_settled

LABELS = "feedback"  # folders in the run folder: feedback-1, feedback-2 …


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainPlan:
    """What is trained again, and which model the result has to beat."""

    run: Path  # the run folder: its data, its split, its way of training
    champion: ModelFile  # the model in use; the run's own where none is registered
    name: str | None  # under which the champion is in use, and the candidate would be
    version: str | None  # of the champion


def plan_retraining(request: RetrainRequest, *, root: Path | None = None) -> RetrainPlan:
    """Find the run, the model in use and its name.

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

    Raises:
        UsageError: run.json cannot be read, or there is nothing new to learn from.
        DataError: the labels file is damaged.
    """
    with understood(plan.run / REQUEST):
        before = TrainRequest.from_dict(read_request(plan.run))
    # What was learned from feedback before stays; of an image that is labelled again the last label counts.
    new = filter(None, [labelled_in_project(plan.run, before.data), request.feedback])
    feedback = tuple(dict.fromkeys((*before.data.feedback, *new)))
    labels = before.data.labels if request.labels is None else request.labels
    data = replace(before.data, split_file=str(plan.run), feedback=feedback, labels=labels, labels_state=None)
    if request.feedback is None and labels_state_of(data) == before.data.labels_state:
        raise UsageError(
            f"no label has changed since {escape_path(plan.run)} was trained",
            f"Correct some: vidi review {escape_path(plan.run)}. Or name labelled images: --feedback DATA.",
        )
    recipe: Any = read_model(plan.run).metadata.provenance.recipe or {}
    start = _same_head(before, recipe) if recipe.get("freeze") else _from_weights(before, plan.run)
    return replace(start, data=data, output=request.output)


def _same_head(before: TrainRequest, recipe: Any) -> TrainRequest:
    size = tuple(recipe["image_size"])
    changes = {**before.changes, "freeze": True, "image_size": size}
    weights = before.pretrained if before.pretrained not in (None, "auto") else str(recipe["pretrained"])
    return replace(before, weights=None, network=None, recipe=None, pretrained=weights, changes=changes)


def _from_weights(before: TrainRequest, run: Path) -> TrainRequest:
    changes = {name: value for name, value in before.changes.items() if name != "freeze"}
    return replace(before, weights=str(run), network=None, recipe=None, pretrained=None, changes=changes)


def take_labels(request: RetrainRequest, run: Path, *, multi_label: bool = False) -> ExportedLabels | None:
    """Copy the images with confirmed labels out of the log that a request names; None where it names a data set.

    The copies lie in the run folder, since every later retraining learns from them, too. What one source sent through
    the server is at most its share of all images of the retraining, each as often as it counts.

    Args:
        multi_label: an image of the run may show several classes, or none.

    Raises:
        UsageError: the log's address cannot be used, or an image has several classes.
        DataError: no image has a confirmed label, or none of those is kept.
        ResourceError: the log cannot be read, or the copies not written.
    """
    if request.feedback is None or not is_log(request.feedback):
        return None
    from vidi.log.store import PredictionLog  # SQLAlchemy takes long

    address = parse_address(request.feedback, environment=os.environ)
    others = sum(
        row.part != TEST and not is_feedback_path(row.path) for row in read_assignments(run / SPLITS)
    )  # images that are learned from, beside feedback
    with PredictionLog.open(address, create=False) as log:
        settled = cap_sources(confirmed_labels(log), others=others, weight=FEEDBACK_WEIGHT)
        if not any(one.state == "confirmed" for one in settled):
            raise DataError(
                f"{address} holds no image with a confirmed label ({len(settled):,} with feedback)",
                f"Label some: vidi review --log {address}",
            )
        kept = set(log.kept_digests())
        newest = newest_reviewed([one for one in settled if one.digest in kept], most=NEWEST)
        written = write_settled(log, settled, _free(run), held_back=newest, multi_label=multi_label)
    if not written.image_count:
        written.folder.rmdir()
        raise DataError(
            f"{address} keeps none of the images with a confirmed label",
            "Let the server keep images: `vidi serve --log URL --keep-images`. Without them, feedback only scores.",
        )
    return written


def label_words(labels: ExportedLabels) -> str:
    """What was taken from the log, in a line."""
    left = ", ".join(f"{count:,} {reason}" for reason, count in labels.left_out.items())
    taken = f"{labels.image_count:,} images with confirmed labels, copied to {escape_path(labels.folder)}"
    return taken + (f"; left out: {left}" if left else "")


def _free(run: Path) -> Path:
    number = 1
    while (folder := run / f"{LABELS}-{number}").exists():
        number += 1
    return folder
