"""How long a run is and how fast it learns at each moment."""

import math
from dataclasses import dataclass

from vidi.training.recipe import Schedule


@dataclass(frozen=True, slots=True)
class Plan:
    """How many steps there will be; a change of plan bends the schedule instead of cutting it off."""

    steps: int  # batches in the whole run
    from_step: int = 0  # where this plan took over from an earlier one …
    from_progress: float = 0.0  # … and how far that one had come

    def progress(self, step: int) -> float:
        """How far the run is at that step, 0 to 1.

        >>> Plan(steps=100).progress(25)
        0.25
        >>> Plan(steps=100).bent_to(50, at=25).progress(50)
        1.0
        """
        if step >= self.steps:
            return 1.0
        share = (step - self.from_step) / (self.steps - self.from_step)
        return self.from_progress + (1 - self.from_progress) * share

    def bent_to(self, steps: int, *, at: int) -> "Plan":
        """The plan that goes on from where the run is now and ends after `steps` steps (more or fewer)."""
        return Plan(steps=max(steps, at), from_step=at, from_progress=self.progress(at))


def rate_share(progress: float, schedule: Schedule, *, warm_up: float) -> float:
    """The learning rate as a share of its peak.

    `cosine` rises in a straight line during the warm-up, then falls along a cosine to 0; `one-cycle` rises along a
    cosine from 1/25 (Smith and Topin 2018); `linear` rises and falls in straight lines; `constant` stays at the peak.

    >>> [round(rate_share(p, "cosine", warm_up=0.1), 3) for p in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if schedule == "constant":
        return 1.0
    if progress < warm_up:
        share = progress / warm_up
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * share)) / 2 if schedule == "one-cycle" else share
    share = (progress - warm_up) / (1 - warm_up)
    return 1 - share if schedule == "linear" else (1 + math.cos(math.pi * share)) / 2
