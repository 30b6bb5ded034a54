"""Train `compact` on some rows of a set, and score it on others."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.counting.sets import SmallSet
from bench.processor import describe
from vidi.metrics.intervals import wilson_interval
from vidi.metrics.truth import OneClass
from vidi.networks.layers import operations_of
from vidi.training.data import TrainingData, is_grey
from vidi.training.defaults import recipe_for
from vidi.training.engine.engine import precision_of
from vidi.training.loop.checkpoint import NAME as CHECKPOINT
from vidi.training.loop.objective import answer
from vidi.training.recipe import Recipe
from vidi.training.train import train_network
from vidi.training.traits import DataTraits

Rows = NDArray[np.int64]
CLASSES = 10
FORWARD_AND_BACKWARD = 3  # times the operations of an answer: gradients of maps and of weights cost as much each
VIEWS = {"image and mirror image": True, "one view": False}


def usual_recipe(small: SmallSet, *, training: int, changes: Mapping[str, object]) -> Recipe:
    """vidi's recipe for so many images of a set.

    Args:
        training: how many are learned from.
        changes: what is asked for in place of the usual; the epochs among them.
    """
    some = np.arange(0, small.training, 100)
    traits = DataTraits(
        image_count=training,
        class_count=CLASSES,
        usual_size=(small.images.shape[1], small.images.shape[2]),
        is_grey=is_grey(small.images, some),
    )
    return recipe_for(traits, changes=changes)


def train_and_score(
    small: SmallSet,
    recipe: Recipe,
    *,
    train_rows: Rows,
    validation_rows: Rows,
    scored_rows: Rows,
    folder: Path,
) -> dict[str, Any]:
    """One training, or the rest of one that was stopped, and how often its answers are right.

    Args:
        train_rows: of the set, as the two other parts.
        validation_rows: choose the best epoch.
        scored_rows: may be the same.
        folder: for checkpoints.
    """
    data = TrainingData(
        images=small.images,
        truth=OneClass(labels=small.labels, class_count=CLASSES),
        train_rows=train_rows,
        validation_rows=validation_rows,
    )
    trained = train_network(data, recipe, folder=folder, resume=(folder / CHECKPOINT).exists())
    precision, scores = precision_of(trained.recipe), {}
    for name, both in VIEWS.items():
        trained.single.both_ways = both
        answers = answer(
            trained.single, small.images, scored_rows, normalisation=trained.normalisation, precision=precision
        )
        right = int((answers.argmax(axis=1) == small.labels[scored_rows]).sum())
        interval = wilson_interval(right, len(scored_rows))
        assert interval is not None  # only of no image there is none
        scores[name] = {
            "value": right / len(scored_rows),
            "low": interval.low,
            "high": interval.high,
            "n": len(scored_rows),
        }
    trained.single.both_ways = False
    forward = operations_of(trained.single, recipe.image_size)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": describe(),
        "precision": precision,
        "recipe": trained.recipe.as_dict(),
        "epochs": [row.validation_accuracy for row in trained.history],
        "best_epoch": trained.best_epoch,
        "operations": float(FORWARD_AND_BACKWARD * forward * len(train_rows) * len(trained.history)),
        "scores": scores,
    }
