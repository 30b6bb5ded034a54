"""One session of a run: what its trainings share besides the data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.run.budget import Budget


def never() -> bool:
    """Nobody asks for an end."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where trainings write, how long they may take, who may stop them and who hears of them; another may resume."""

    folder: Path  # the run's own
    budget: Budget = field(default_factory=Budget)  # for everything
    should_stop: Callable[[], bool] = never  # asked between steps
    fold_work: float = 0.0  # what the trainings for calibration will cost, in trainings of the network
    finish: bool = False  # train no more: only calibrate, test and report
    events: Events = SILENCE
