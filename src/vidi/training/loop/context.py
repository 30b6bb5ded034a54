"""What the training loop is given from outside, and never changes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from vidi.machine import Deadline
from vidi.training.data import TrainingData, class_weights
from vidi.training.engine.engine import Engine, engine_of
from vidi.training.loop.objective import InputNormalisation
from vidi.training.loop.state import State
from vidi.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingContext:
    """What the training loop is given from outside."""

    data: TrainingData
    recipe: Recipe
    normalisation: InputNormalisation
    engine: Engine
    class_weights: torch.Tensor | None  # (classes,) float32, on the engine's device
    deadline: Deadline | None
    should_stop: Callable[[], bool]  # asked after every step
    after_step: Callable[[State], bool]  # tells and saves; true when it went back to an earlier step
    image_weights: torch.Tensor | None = None  # (images,) float32, on the engine's device; their mean is 1 in training


def training_context(
    arrays: TrainingData,
    recipe: Recipe,
    *,
    normalisation: InputNormalisation,
    deadline: Deadline | None,
    should_stop: Callable[[], bool],
    after_step: Callable[[State], bool],
) -> TrainingContext:
    """What the loop is given for a recipe whose device and precision are settled; see `TrainingContext`."""
    weights = class_weights(arrays.strata[arrays.train_rows], arrays.class_count, kind=recipe.class_weights)
    engine = engine_of(recipe)
    return TrainingContext(
        data=arrays,
        recipe=recipe,
        normalisation=normalisation,
        engine=engine,
        class_weights=torch.from_numpy(weights).to(engine.device) if recipe.class_weights != "none" else None,
        image_weights=_image_weights(arrays, engine),
        deadline=deadline,
        should_stop=should_stop,
        after_step=after_step,
    )


def _image_weights(arrays: TrainingData, engine: Engine) -> torch.Tensor | None:
    """(images,) what the loss of each is multiplied by: 1 on average, so that the steps stay as long as they were."""
    if arrays.weights is None:
        return None
    mean = arrays.weights_of(arrays.train_rows).mean()
    return torch.from_numpy((arrays.weights / mean).astype(np.float32)).to(engine.device)
