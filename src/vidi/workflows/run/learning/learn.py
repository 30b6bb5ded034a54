"""The training step of a run: what is stored before it, and whether it starts or continues."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vidi.data.splitting.split_plan import write_assignments
from vidi.files import digest_of, escape_path, write_atomic
from vidi.numbers import first_of
from vidi.report.words.text import account_lines
from vidi.training.data import TrainingData
from vidi.training.loop.progress import Listener
from vidi.training.recipe import Recipe
from vidi.training.train import read_trained, train_network
from vidi.training.trained import TrainedNetwork
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.run_folder import CHECK, CHECKPOINT, RECIPE, SPLITS
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.run.budget import SHORT_FOLDS, Session
from vidi.workflows.run.describe import class_counts
from vidi.workflows.run.learning.ensemble import learn_ensemble
from vidi.workflows.run.prepare import SplitImages
from vidi.workflows.run.start import Start

ANSWERED_AFTER = ("validation", "calibration", "test", "extra")  # when training has ended
# Training images that the novelty score is made from: so many pixels, but neither fewer nor more images than that.
PIXELS_FOR_NOVELTY, LEAST_FOR_NOVELTY, MOST_FOR_NOVELTY = 3_000_000, 600, 3_000
MOST_CLASSES = 12  # named in a line


def keep_preparation(
    folder: Path, images: SplitImages, recipe: Recipe, *, start: Start | None = None, events: Events
) -> None:
    """Store and report what was found and decided before training."""
    write_atomic(folder / CHECK, json.dumps(images.check.as_json(), indent=1) + "\n")
    write_assignments(folder / SPLITS, images.split.assignments)
    write_atomic(folder / RECIPE, recipe.as_toml())
    for sentence in describe_preparation(images, recipe, start=start):
        events.say(sentence)


def describe_preparation(images: SplitImages, recipe: Recipe, *, start: Start | None = None) -> list[str]:
    """Describe the data and the plan before training begins."""
    counts, (height, width) = class_counts(images), images.framing.size
    shown = f"{height}x{width} pixels ({images.framing.mode})"
    plan = f"pretrained network, starting with {recipe.network} at {shown}"
    if not recipe.pretrained:
        train_count = len(images.split.rows("train"))
        plan = (
            f"network {recipe.network}, {shown}, at most {recipe.optimization.epochs} epochs of {train_count:,} images"
        )
    findings = [f"{found.severity}: {found.sentence}" for found in images.check.findings if found.severity != "note"]
    return [
        *map(escape_path, images.dataset.notes),
        *([] if start is None or not start.note else [start.note]),
        _images_line({name: counts[name] for name in images.dataset.classes}, sum(map(bool, images.split.parts))),
        *account_lines(images.check.account, listed_in="check.json of the run folder"),
        *findings,
        f"split: {' · '.join(f'{part} {count:,}' for part, count in images.split.counts().items())}",
        plan,
    ]


def _images_line(counts: Mapping[str, int], images: int) -> str:
    """How many images there are, in all and of each class.

    >>> _images_line({"cat": 4, "dog": 1200}, 1204)
    '1,204 images of 2 classes: cat 4, dog 1,200'
    """
    classes = first_of([f"{escape_path(name)} {count:,}" for name, count in counts.items()], MOST_CLASSES)
    return f"{images:,} images of {len(counts)} classes: {classes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingWeights:
    """What fine-tuning begins from."""

    recipe: Recipe  # of the head, with the network that is fine-tuned
    tensors: Callable[[NDArray[np.int64]], Mapping[str, Tensor]]  # its own, with a head fitted on the given rows alone


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedModel:
    """Result of learning."""

    images: SplitImages  # framed as the network sees them
    data: TrainingData  # what it was given of them
    trained: TrainedNetwork
    start: Start | None = None  # the weights of an earlier run that it began from
    begin: StartingWeights | None = None  # how a head goes on to fine-tuning


def learn(
    session: Session,
    data: TrainingData,
    recipe: Recipe,
    *,
    ensemble: int | None = None,
    start: Start | None = None,
) -> TrainedNetwork:
    """Train, continue from the folder's checkpoint or, to finish, use the checkpoint.

    Args:
        ensemble: number of trainings; None for one.
    """
    if ensemble is not None:
        return learn_ensemble(session, data, recipe, ensemble, start=start)
    folder = session.folder
    if session.finish and (folder / CHECKPOINT).exists():
        return read_trained(folder, data, recipe=recipe)
    session.events.recipe(recipe)
    trained = train_network(
        data,
        recipe,
        folder=folder,
        deadline=session.budget.training_until(fold_work=session.fold_work),
        listener=Listener(progress=session.events.training, epoch=lambda row: session.events.epoch(row, 0)),
        resume=(folder / CHECKPOINT).exists(),
        should_stop=session.should_stop,
    )
    write_atomic(folder / RECIPE, trained.recipe.as_toml())
    return trained


def forget_members(folder: Path, events: Events) -> None:
    """Delete the members' folders of a finished run."""
    places = sorted(folder.glob("member-*"))
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
    if places:
        events.say(
            "deleted the folders of the single trainings: model.onnx holds the network, metrics.json their figures"
        )


def training_data(
    images: SplitImages, start: Start | None = None, *, left_out: NDArray[np.int64] | None = None
) -> TrainingData:
    """Return the arrays for training: usable images, without the test part.

    Args:
        left_out: of the train part, from which nothing is learned.
    """
    left_out = np.zeros(0, np.int64) if left_out is None else left_out
    return TrainingData(
        images=images.pixels,
        truth=images.truth,
        train_rows=np.setdiff1d(images.split.rows("train"), left_out),
        validation_rows=images.split.rows("validation"),
        classes=images.dataset.classes,
        digest=training_digest(images, left_out),
        start=None if start is None else start.weights,
        groups=images.split.groups,
        left_out=left_out,
        weights=image_weights(images),
        answered_after=sum(len(images.split.rows(part)) for part in ANSWERED_AFTER) + images_for_novelty(images),
    )


def image_weights(images: SplitImages) -> NDArray[np.float64] | None:
    """(images,) as how many images each counts in training; None where each counts as one."""
    is_feedback = images.dataset.is_feedback
    return np.where(is_feedback, FEEDBACK_WEIGHT, 1.0) if is_feedback.any() else None


def images_for_novelty(images: SplitImages) -> int:
    """Maximum number of training images for the novelty score."""
    return most_for_novelty(images.framing.size, len(images.split.rows("train")))


def most_for_novelty(size: tuple[int, int], image_count: int) -> int:
    """Maximum number of training images behind the novelty score.

    >>> most_for_novelty((32, 32), 50_000), most_for_novelty((320, 224), 50_000), most_for_novelty((320, 224), 70)
    (2929, 600, 70)
    """
    most = min(MOST_FOR_NOVELTY, max(LEAST_FOR_NOVELTY, PIXELS_FOR_NOVELTY // (size[0] * size[1])))
    return min(most, image_count)


def training_digest(images: SplitImages, left_out: NDArray[np.int64]) -> str:
    """One digest for the training and validation images, in order, with their labels and parts."""
    rows = np.concatenate([images.split.rows("train"), images.split.rows("validation")])
    lines = [
        f"{images.check.records[row].digest} {_known_of(images, row)} {images.split.parts[row]}"
        for row in rows.tolist()
    ]
    if image_weights(images) is not None:
        lines.append(f"feedback counts {FEEDBACK_WEIGHT:g} times")
    lines += [f"left out {images.check.records[row].digest}" for row in left_out.tolist()]
    return digest_of("\n".join(lines).encode())


def _known_of(images: SplitImages, row: int) -> str:
    """What an image shows, as class numbers."""
    return "|".join(map(str, sorted(images.dataset.images[row].labels)))


def needs_folds(images: SplitImages) -> bool:
    """Whether calibration needs out-of-fold predictions, because there is no part for it."""
    return len(images.split.rows("calibration")) == 0


def fold_work(folds: int, images: SplitImages) -> float:
    """Cost of this number of fold trainings for calibration, in main trainings; 0 where none is needed."""
    if not needs_folds(images):
        return 0.0
    trained, chosen = len(images.split.rows("train")), len(images.split.rows("validation"))
    held_out = 1 / max(SHORT_FOLDS, folds)  # the share that each leaves out
    return folds * (1 - held_out) * (trained + chosen) / max(1, trained)
