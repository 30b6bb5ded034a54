"""The honest end of a search: default and best recipe, trained once more, on images that no trial was judged on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vidi.machine import Deadline
from vidi.metrics.paired import PairedComparison, images_needed
from vidi.metrics.truth import Truth
from vidi.training.data import TrainingData
from vidi.training.engine.engine import precision_of
from vidi.training.loop.objective import forward, which_right
from vidi.training.loop.progress import Progress
from vidi.training.recipe import Recipe
from vidi.training.trained import TrainedNetwork
from vidi.training.tuning.trial import train_once

TOGETHER = 128  # images pushed through at once


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonImages:
    """Images that no trial saw, at the size of one recipe."""

    images: NDArray[np.uint8]  # (images, height, width, 3)
    truth: Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutAnswers:
    """What a recipe, trained once more, made of the held-out images."""

    is_right: NDArray[np.bool_]  # (images,)
    epochs: int  # that its training got through in its time


def answer_held_out(
    arrays: TrainingData,
    recipe: Recipe,
    held_out: ComparisonImages,
    *,
    folder: Path,
    deadline: Deadline,
    should_stop: Callable[[], bool],
    on_progress: Callable[[Progress], None] | None = None,
) -> HeldOutAnswers | None:
    """Train a recipe once more, and which of the held-out images it has right; None where an end was asked for.

    Raises:
        GateError, ResourceError: as `run_trial`.
    """
    trained = train_once(
        arrays, recipe, folder=folder, deadline=deadline, should_stop=should_stop, on_progress=on_progress
    )
    if trained.stopped_by == "user":
        return None
    return HeldOutAnswers(is_right=which_are_right(trained, held_out), epochs=len(trained.history))


def which_are_right(trained: TrainedNetwork, held_out: ComparisonImages) -> NDArray[np.bool_]:
    """Which of the images a network has right, (images,) bool."""
    truth = held_out.truth.array
    right = np.zeros(len(truth), dtype=np.bool_)
    with torch.inference_mode():
        for start in range(0, len(right), TOGETHER):
            piece = slice(start, start + TOGETHER)
            # A copy: what lies in the cache is read-only, and torch warns of such arrays.
            inputs = trained.normalisation.inputs(np.array(held_out.images[piece]))
            logits = forward(trained.network, inputs, precision=precision_of(trained.recipe))
            right[piece] = which_right(logits, torch.from_numpy(truth[piece])).numpy()
    return right


def comparison_as_json(comparison: PairedComparison) -> dict[str, Any]:
    """Plain values."""
    return {
        "images": comparison.image_count,
        "groups": comparison.group_count,
        "default_accuracy": comparison.first_accuracy,
        "best_accuracy": comparison.second_accuracy,
        "both_right": comparison.both_right,
        "only_default_right": comparison.only_first,
        "only_best_right": comparison.only_second,
        "difference": comparison.difference,
        "low": comparison.interval.low,
        "high": comparison.interval.high,
        "level": comparison.level,
        "p_value": comparison.p_value,
        "verdict": comparison.verdict,
        "images_needed": images_needed(comparison),
    }
