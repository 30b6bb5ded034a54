"""The time budget of a run: one table of stages, what fits, where the time went; and what its trainings share."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from vidi import machine
from vidi.groups import FOLDS
from vidi.machine import Deadline
from vidi.workflows.interaction.events import SILENCE, Events

OPTIONAL: Mapping[str, str] = {  # what a short budget leaves out, as the user reads it
    "every head": "most kinds of head",
    "learning curve": "the estimate of what more images would gain",
    "comparing backbones": "the comparison of pretrained networks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStage:
    """Time that a stage needs on an idle computer of two cores, and the share that it may take."""

    seconds: float = 0.0  # whatever the images
    per_image: float = 0.0  # and more for each image
    share: float = 1.0  # of the time that is left when it begins, at most

    def needs(self, images: int) -> float:
        """Seconds for this many images."""
        return self.seconds + self.per_image * images


TABLE: Mapping[str, BudgetStage] = MappingProxyType(
    {
        # What every run does, in order.
        "reading": BudgetStage(seconds=1.0, per_image=0.01),
        "features": BudgetStage(
            seconds=3.0, per_image=0.03, share=0.35
        ),  # of one backbone; a share for its images' sake
        "training": BudgetStage(
            seconds=5.0, share=0.95
        ),  # of fine-tuning, below which nobody asks how long an epoch takes
        "member": BudgetStage(seconds=1.0, share=0.85),  # of an ensemble, whose combination takes some more
        "to ONNX": BudgetStage(seconds=2.0),
        "labels": BudgetStage(seconds=0.5, per_image=0.0005),
        "calibration": BudgetStage(seconds=0.5),
        "fold": BudgetStage(seconds=1.0, share=0.8),  # each training for calibration, beside its steps
        "test": BudgetStage(seconds=1.0, per_image=0.01),  # for each to learn from: a third as many are answered
        "report": BudgetStage(seconds=3.0),
        "ending": BudgetStage(seconds=0.5),  # and what the process needs to start
        # What is left out where there is no time for it.
        "every head": BudgetStage(seconds=1.0, per_image=0.002),
        "learning curve": BudgetStage(seconds=1.0, per_image=0.002),
        "comparing backbones": BudgetStage(seconds=5.0, per_image=0.05, share=0.15),
        "robustness": BudgetStage(seconds=5.0, share=0.1),  # a share of the whole run, where that is more
        # A search: decoding other sizes, one training, and the page.
        "other sizes": BudgetStage(share=0.2),
        "trial": BudgetStage(seconds=2.0),
        "search page": BudgetStage(seconds=5.0),
    }
)
MUST_FOLLOW = ("to ONNX", "calibration", "test", "report", "ending")  # every training
SHORT_SECONDS = 120.0  # in a shorter budget pretrained networks are compared only if the table says that it fits
SECONDS_FOR_FOLDS = 300.0  # in a shorter budget …
SHORT_FOLDS = 2  # … two trainings for calibration: five would leave the model itself a fifth of the time
LEAST_FOLDS = 1  # where there is no time for two: one half of the images is held out, and only that half is answered
OTHER = "other"  # what is in no stage
SOON_DONE = 300  # images whose features take little longer than measuring how fast a backbone is
COMFORTABLE = 0.1  # seconds for each image to learn from: with more time than that, no backbone's speed is measured


class Stopwatch:
    """Seconds by stage. A stage inside another is not counted in that one, so all of them together are the whole."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, stage: str = OTHER) -> None:
        self._clock, self._stage, self._since = clock, stage, clock()
        self._seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Count the time inside the block for this stage."""
        before = self.turn_to(stage)
        try:
            yield
        finally:
            self.turn_to(before)

    def turn_to(self, stage: str) -> str:
        """Count the time from now on for this stage, and return the previous stage."""
        before, now = self._stage, self._clock()
        self._seconds[before] = self._seconds.get(before, 0.0) + now - self._since
        self._stage, self._since = stage, now
        return before

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that passed before this watch was started."""
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def seconds(self) -> Mapping[str, float]:
        """Seconds of each stage so far, in the order in which they began."""
        self.turn_to(self._stage)
        return dict(self._seconds)

    def rounded(self) -> dict[str, float]:
        """The same as metrics.json has them, to a hundredth of a second."""
        return {stage: round(seconds, 2) for stage, seconds in self.seconds().items()}


@dataclass(frozen=True, slots=True)
class Budget:
    """Time of a run. What fits is asked when a stage is about to begin, of the time that is left then.

    What was measured on an idle computer takes longer beside other work: `free_share` says how much of it is free.
    """

    deadline: Deadline | None = None  # for everything; None: there is time
    free_share: Callable[[], float] = machine.free_share
    watch: Stopwatch = field(default_factory=Stopwatch, compare=False)  # where the time went

    def idle_seconds_left(self) -> float:
        """Remaining time, in seconds of an idle computer."""
        if self.deadline is None:
            return float("inf")
        return self.deadline.seconds_left() * self.free_share()

    @property
    def is_short(self) -> bool:
        """Whether it is a budget of a minute or two."""
        return self.deadline is not None and self.deadline.seconds < SHORT_SECONDS

    def room_for(self, stage: str, images: int) -> float:
        """Seconds of an idle computer for a stage before the first image is read, beside all that a run must do.

        Args:
            stage: one that need not be done, or `features`.
        """
        must = {"reading", "features", "labels", *MUST_FOLLOW} - {stage}
        return self.idle_seconds_left() - sum(TABLE[name].needs(images) for name in must)

    def allows(self, stage: str, images: int = 0, *, answers: float = 0.0) -> bool:
        """Whether there is time for an optional stage and for all that must follow it.

        Args:
            images: that it is about.
            answers: seconds that the answers about held-out images take, as far as it was measured; these follow, too.
        """
        if self.deadline is None:
            return True
        free = self.free_share()
        must = TABLE[stage].needs(images) + TABLE["labels"].needs(images) + after_training()
        answering = max(TABLE["test"].per_image * images, answers * free)
        return self.deadline.seconds_left() * free >= must + answering

    def fits(self, stage: str, seconds: float) -> bool:
        """Whether work that takes these seconds here and now is within the stage's share of the time left."""
        return self.deadline is None or seconds <= TABLE[stage].share * self.deadline.seconds_left()

    def fold_count(self, *, seconds: float = 0.0) -> int:
        """Number of trainings for calibration if there is no calibration part.

        Args:
            seconds: that the main training took, if it has ended: where as many such trainings no longer fit, there are
                fewer, rather than trainings that are cut short.
        """
        if self.deadline is None:
            return FOLDS
        if self.deadline.seconds_left() < TABLE["fold"].share * (SHORT_FOLDS - 1) * seconds:
            return LEAST_FOLDS
        is_short = self.deadline.seconds < SECONDS_FOR_FOLDS or not self.fits("fold", (FOLDS - 1) * seconds)
        return SHORT_FOLDS if is_short else FOLDS

    def training_until(self, *, fold_work: float) -> Deadline | None:
        """When the main training must end, to leave time for folds, test and report.

        Args:
            fold_work: how many main trainings the folds for calibration cost, all together; 0 where there are none.
        """
        if self.deadline is None:
            return None
        left, after = self.deadline.seconds_left(), after_training()
        if fold_work:
            after += self.fold_count() * TABLE["fold"].seconds
        left = max(left * TABLE["training"].share - after / self.free_share(), left / 2)
        return Deadline.after(max(1.0, left / (1 + fold_work)))

    def member_until(self, *, members: int, count: int, fold_work: float) -> Deadline | None:
        """When the next training of an ensemble must end, to leave time for the rest.

        Args:
            members: trainings that are still to be done, this one among them.
            count: trainings in all.
            fold_work: as for `training_until`, counted in trainings of a member.
        """
        if self.deadline is None:
            return None
        left = self.deadline.seconds_left()
        return Deadline.after(seconds_for_member(left, members=members, count=count, fold_work=fold_work))

    def fold_until(self, *, folds: int) -> Deadline | None:
        """When the next training for calibration must end, given how many are left."""
        if self.deadline is None:
            return None
        left, after = self.deadline.seconds_left(), TABLE["test"].seconds + TABLE["report"].seconds
        left = min(left * TABLE["fold"].share, left - after / self.free_share())
        return Deadline.after(max(1.0, left / folds - TABLE["fold"].seconds))

    def robustness_until(self) -> Deadline:
        """When the accuracy on degraded images must be measured: it buys nothing that the rest of the run needs."""
        stage, report, seconds = TABLE["robustness"], self.report_from(), sum(self.watch.seconds().values())
        own = Deadline.after(max(stage.seconds, seconds * stage.share / (1 - stage.share)))
        return own if report is None else min(own, report, key=lambda one: one.at)

    def report_from(self) -> Deadline | None:
        """Latest time for the report to begin."""
        if self.deadline is None:
            return None
        return self.deadline.earlier(TABLE["report"].seconds / self.free_share())


def after_training() -> float:
    """Return the seconds that a run needs after training, on an idle computer."""
    return sum(TABLE[name].seconds for name in MUST_FOLLOW)


def seconds_for_member(left: float, *, members: int, count: int, fold_work: float) -> float:
    """Return the time for the next training of an ensemble; arguments as for `Budget.member_until`.

    >>> [round(seconds_for_member(100, members=2, count=2, fold_work=extra)) for extra in (0, 4.5)]
    [40, 14]
    """
    combining = count * (1 / TABLE["member"].share - 1)
    return max(TABLE["member"].seconds, max(left - after_training(), left / 2) / (members + fold_work + combining))


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


def skipping(stage: str) -> str:
    """That an optional stage is left out for lack of time.

    Args:
        stage: a key of `OPTIONAL`.

    >>> skipping("every head")
    'Short on time: skipping most kinds of head. Raise --minutes to include them.'
    """
    them = "them" if stage == "every head" else "it"
    return f"Short on time: skipping {OPTIONAL[stage]}. Raise --minutes to include {them}."
