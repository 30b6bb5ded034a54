"""What the training loop is given from outside, and never changes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from vidi.machine import Deadline
from vidi.training.data import TrainingData
from vidi.training.engine.engine import Engine
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
