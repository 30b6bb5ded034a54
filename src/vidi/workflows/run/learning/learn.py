"""The training step of a run: what is stored before it, and whether it starts or continues."""

import json
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidi.data.splitting.split_plan import write_assignments
from vidi.files import digest_of, escape_path, write_whole
from vidi.machine import Deadline
from vidi.report.words.findings import check_document, describe_findings
from vidi.report.words.text import account_lines
from vidi.training.data import TrainingData
from vidi.training.loop.progress import Listener
from vidi.training.recipe import Recipe
from vidi.training.train import TrainedNetwork, read_trained, train_network
from vidi.workflows.interaction.progress import images_line, network_line, pretrained_line, split_line
from vidi.workflows.interaction.run_folder import CHECK, RECIPE, SPLITS
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.run.context import Context
from vidi.workflows.run.describe import class_counts
from vidi.workflows.run.prepare import Prepared

CHECKPOINT = "checkpoint.safetensors"
ANSWERED_AFTER = ("validation", "calibration", "test", "extra")  # when training has ended
# Training images that the novelty score is made from: so many pixels, but neither fewer nor more images than that.
PIXELS_FOR_NOVELTY, LEAST_FOR_NOVELTY, MOST_FOR_NOVELTY = 3_000_000, 600, 3_000


def keep_preparation(context: Context, prepared: Prepared, recipe: Recipe) -> None:
    """Store and report what was found and decided before training."""
    write_whole(context.folder / CHECK, json.dumps(check_document(prepared.check), indent=1) + "\n")
    write_assignments(context.folder / SPLITS, prepared.split.assignments)
    write_whole(context.folder / RECIPE, recipe.as_toml())
    for sentence in describe_preparation(prepared, recipe):
        context.events.say(sentence)


def describe_preparation(prepared: Prepared, recipe: Recipe) -> list[str]:
    """Describe the data and the plan before training begins."""
    counts, mode, size = class_counts(prepared), prepared.framing.mode, prepared.framing.size
    network = network_line(
        recipe.network, size, framing=mode, epochs=recipe.epochs, images=len(prepared.split.rows("train"))
    )
    findings = [
        f"{found.severity}: {found.sentence}" for found in describe_findings(prepared.check) if found.severity != "note"
    ]
    return [
        *map(escape_path, prepared.dataset.notes),
        *([] if prepared.start is None or not prepared.start.note else [prepared.start.note]),
        images_line({name: counts[name] for name in prepared.dataset.classes}, sum(map(bool, prepared.split.parts))),
        *account_lines(prepared.check.account, listed_in="check.json of the run folder"),
        *findings,
        split_line(prepared.split.counts()),
        pretrained_line(recipe.network, size, framing=mode) if recipe.pretrained else network,
    ]


def learn(context: Context, prepared: Prepared, recipe: Recipe) -> TrainedNetwork:
    """Train, continue from the folder's checkpoint or, to finish, use the checkpoint."""
    arrays, folder = as_training_data(prepared), context.folder
    if context.finish and (folder / CHECKPOINT).exists():
        return read_trained(folder, arrays, recipe=recipe)
    if prepared.begin is not None:
        arrays = replace(arrays, initial=prepared.begin.tensors(arrays.train_rows))
    context.events.recipe(recipe)
    trained = train_network(
        arrays,
        recipe,
        folder=folder,
        deadline=training_until(context, prepared),
        listener=Listener(progress=context.events.training, epoch=lambda row: context.events.epoch(row, 0)),
        resume=(folder / CHECKPOINT).exists(),
        should_stop=context.should_stop,
    )
    write_whole(folder / RECIPE, trained.recipe.as_toml())
    return trained


def as_training_data(prepared: Prepared) -> TrainingData:
    """Return the arrays for training: usable images, without the test part."""
    return TrainingData(
        images=prepared.pixels,
        truth=prepared.truth,
        train_rows=np.setdiff1d(prepared.split.rows("train"), prepared.left_out),
        validation_rows=prepared.split.rows("validation"),
        classes=prepared.dataset.classes,
        digest=learnt_digest(prepared),
        start=None if prepared.start is None else prepared.start.weights,
        weights=image_weights(prepared),
        answered_after=sum(len(prepared.split.rows(part)) for part in ANSWERED_AFTER) + images_for_novelty(prepared),
    )


def image_weights(prepared: Prepared) -> NDArray[np.float64] | None:
    """(images,) as how many images each counts in training; None where each counts as one."""
    is_feedback = prepared.dataset.is_feedback
    return np.where(is_feedback, FEEDBACK_WEIGHT, 1.0) if is_feedback.any() else None


def images_for_novelty(prepared: Prepared) -> int:
    """Maximum number of training images for the novelty score."""
    return most_for_novelty(prepared.framing.size, len(prepared.split.rows("train")))


def most_for_novelty(size: tuple[int, int], image_count: int) -> int:
    """Maximum number of training images behind the novelty score.

    >>> most_for_novelty((32, 32), 50_000), most_for_novelty((320, 224), 50_000), most_for_novelty((320, 224), 70)
    (2929, 600, 70)
    """
    most = min(MOST_FOR_NOVELTY, max(LEAST_FOR_NOVELTY, PIXELS_FOR_NOVELTY // (size[0] * size[1])))
    return min(most, image_count)


def learnt_digest(prepared: Prepared) -> str:
    """One digest for the training and validation images, in order, with their labels and parts."""
    rows = np.concatenate([prepared.split.rows("train"), prepared.split.rows("validation")])
    lines = [
        f"{prepared.check.records[row].digest} {_known_of(prepared, row)} {prepared.split.parts[row]}"
        for row in rows.tolist()
    ]
    if image_weights(prepared) is not None:
        lines.append(f"feedback counts {FEEDBACK_WEIGHT:g} times")
    lines += [f"left out {prepared.check.records[row].digest}" for row in prepared.left_out.tolist()]
    return digest_of("\n".join(lines).encode())


def _known_of(prepared: Prepared, row: int) -> str:
    """What an image shows, as class numbers."""
    return "|".join(map(str, sorted(prepared.dataset.images[row].labels)))


def needs_folds(prepared: Prepared) -> bool:
    """Whether calibration needs out-of-fold predictions, because there is no part for it."""
    return len(prepared.split.rows("calibration")) == 0


def training_until(context: Context, prepared: Prepared) -> Deadline | None:
    """When the main training must end, to leave time for the fold trainings, test and report."""
    return context.budget.training_until(fold_work=fold_work(context, prepared))


def fold_work(context: Context, prepared: Prepared) -> float:
    """Cost of all fold trainings for calibration, in main trainings; 0 without any."""
    if not needs_folds(prepared):
        return 0.0
    trained, chosen = len(prepared.split.rows("train")), len(prepared.split.rows("validation"))
    return (context.budget.fold_count() - 1) * (trained + chosen) / max(1, trained)
