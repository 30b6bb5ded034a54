"""How progress looks: on a terminal one live bar for each stage, in a log a line now and then."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import click

from vidi.cli.screen import ShownStage, draws
from vidi.files import escape_controls
from vidi.numbers import percent
from vidi.workflows.interaction.events import (
    Event,
    Events,
    Message,
    SearchStep,
    StageProgress,
    StepDone,
)

if TYPE_CHECKING:
    from vidi.cli.live import LiveBar
    from vidi.images.account import Account
    from vidi.training.loop.progress import Progress, SearchProgress
    from vidi.workflows.interaction.event_file import EventFile

Item = TypeVar("Item")

SECONDS_BETWEEN = {True: 0.1, False: 10.0}  # terminal: as often as the eye follows; log: seldom
QUIET_SECONDS = 2.0  # nothing is shown for what is done sooner
SLOW = 3.0  # a second: of fewer it is said how long each takes


class Terminal:
    """Shows on standard error what a workflow does."""

    def __init__(self, bar: "LiveBar | None" = None, *, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            bar: what draws; made, and rich loaded for it, when it is first needed on a terminal.
            now: the clock, in seconds.
        """
        self._draws = bar is not None or draws(sys.stderr)
        self._bar = bar
        self._now = now
        self._last = -max(SECONDS_BETWEEN.values())
        self._began: dict[str, float] = {}

    def tell(self, event: Event) -> None:
        """Show an event; what a command's last lines or the bar show anyway is left out."""
        match event:
            case Message(sentence):
                self.clear()
                sys.stderr.write(escape_controls(sentence) + "\n")
                sys.stderr.flush()
            case StageProgress(what, done, total):
                self._count(what, done, total)
            case StepDone(progress):
                self._step(progress)
            case SearchStep(progress):
                self._search(progress)

    def clear(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.clear()

    def _count(self, what: str, done: int, total: int) -> None:
        """A count with rate and time left."""
        now = self._now()
        if done <= 1 or what not in self._began:
            self._began[what] = now
        seconds = now - self._began[what]
        if done >= total:
            self._began.pop(what, None)
            self.clear()
        elif seconds >= QUIET_SECONDS and self._is_due(now):
            rate = done / seconds
            left = duration((total - done) / rate)
            pace = f"{rate:,.0f} a second" if rate >= SLOW else f"{1 / rate:.1f} s each"
            count = (f"{done:,} of {total:,}",)
            self._show(ShownStage(what=what, done=done, total=total, facts=count, rate=pace, left=left))

    def _step(self, progress: "Progress") -> None:
        """Loss, accuracy, rate, time left, and what limits it."""
        if progress.step >= progress.steps:
            self.clear()
        elif self._is_due(self._now()):
            self._show(
                ShownStage(
                    what=f"epoch {progress.epoch} of {math.ceil(progress.epochs)}",
                    done=progress.step,
                    total=progress.steps,
                    facts=(
                        f"loss {progress.loss:.3f}",
                        f"accuracy {percent(progress.accuracy, digits=1)}",
                        *_share("validation", progress.validation_accuracy),
                    ),
                    rate=f"{progress.images_per_second:,.0f} images/s",
                    remark=f"limited by {progress.limited_by}",
                    left=duration(progress.seconds_left),
                )
            )

    def _search(self, progress: "SearchProgress") -> None:
        """Which training of the search it is, how that goes, the best so far, and the time left for all."""
        if not self._is_due(self._now()):
            return
        now, best = progress.training, _share("best", progress.best_accuracy)
        self._show(
            ShownStage(
                what=progress.doing,
                done=now.step,
                total=now.steps,
                facts=(
                    f"epoch {now.epoch} of {math.ceil(now.epochs)}",
                    *_share("validation", now.validation_accuracy),
                    *(f"{share} (trial {progress.best_trial})" for share in best),
                ),
                left=f"at most {duration(progress.seconds_left)}",
            )
        )

    def _is_due(self, now: float) -> bool:
        if now - self._last < SECONDS_BETWEEN[self._draws]:
            return False
        self._last = now
        return True

    def _show(self, stage: ShownStage) -> None:
        if not self._draws:
            sys.stderr.write(stage.line() + "\n")
            sys.stderr.flush()
            return
        if self._bar is None:
            from vidi.cli.live import LiveBar

            self._bar = LiveBar()
        self._bar.show(stage)


def on_terminal() -> Events:
    """Events that the terminal shows; those of a job are also written into its folder."""
    terminal, context = Terminal(), click.get_current_context(silent=True)
    file: EventFile | None = None if context is None else context.obj
    if file is None:
        return Events(terminal.tell)

    def tell(event: Event) -> None:
        terminal.tell(event)
        file.tell(event)

    return Events(tell)


def counted(items: Iterator[Item], what: str, total: int, events: Events) -> Iterator[Item]:
    """The items as they pass, counted on the terminal."""
    for number, item in enumerate(items, start=1):
        events.count(what, number, total)
        yield item


def say_ending(account: "Account", events: Events, *, named: bool) -> int:
    """Say the last lines of a command that answers about images, and give its exit code.

    Args:
        named: also name the broken files, which lines on standard output do not show.
    """
    from vidi.data.inputs import STANDARD_INPUT
    from vidi.errors import INTERRUPTED
    from vidi.report.words.text import account_lines, set_aside_lines
    from vidi.workflows.interaction.inputs import exit_code, interruption

    sentence = interruption(account)
    if sentence:
        events.say(sentence)
    if any(entry.path == STANDARD_INPUT for entry in account.refused):
        events.say(
            "hint: - reads one image from standard input; `vidi predict MODEL --files-from -` reads a list of paths"
        )
    lines = account_lines(account, listed_in="the output") if named else [*set_aside_lines(account), account.sentence()]
    for line in lines:
        events.say(line)
    return INTERRUPTED if sentence else exit_code(account)


def _share(name: str, value: float | None) -> tuple[str, ...]:
    return () if value is None else (f"{name} {percent(value, digits=1)}",)


def duration(seconds: float) -> str:
    """A time span as people say it.

    >>> duration(7), duration(95), duration(7300)
    ('7 s', '1 min 35 s', '2 h 1 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
