"""Why several trainings were combined as they were."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinationTrial:
    """One way to make one network of them, as the validation images saw it."""

    name: str
    accuracy: float
    log_loss: float
    members: tuple[int, ...]  # their numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What decided, and between what."""

    by: Literal["validation", "no-validation", "interrupted", "linear"]
    count: int  # trainings
    averaged: str = "probabilities"  # what the mean is of
    kept: CombinationTrial | None = None  # the one that the validation images chose
    others: tuple[CombinationTrial, ...] = ()  # those it was compared with
    image_count: int = 0  # validation images
