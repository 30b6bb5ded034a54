"""How progress looks on a terminal: one line on standard error that is written over; in a log, a line now and then."""

import sys
import time
from typing import TYPE_CHECKING

from vidi.numbers import percent

if TYPE_CHECKING:
    from vidi.training.loop.progress import Progress, SearchProgress

SECONDS_BETWEEN = {True: 0.1, False: 10.0}  # terminal: as often as the eye follows; log: seldom
QUIET_SECONDS = 2.0  # nothing is shown for what is done sooner
SLOW = 3.0  # a second: of fewer it is said how long each takes


class Terminal:
    """Tells on standard error what a workflow does."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown = 0  # columns of the line that is to be written over
        self._last = 0.0
        self._began: dict[str, float] = {}

    def say(self, sentence: str) -> None:
        """One line that stays."""
        self.clear()
        sys.stderr.write(sentence + "\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the moving line away."""
        if self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            self._shown = 0

    def reading(self, done: int, total: int) -> None:
        """Images decoded so far, with rate and time left."""
        self.count("reading images", done, total)

    def steps(self, done: int, total: int) -> None:
        """Steps of a trial so far, with rate and time left."""
        self.count("trying learning rates, step", done, total)

    def fetching(self, what: str, done: int, total: int) -> None:
        """Bytes of weights fetched so far, with rate and time left."""
        self.count(f"fetching {what}", done, total)

    def features(self, done: int, total: int) -> None:
        """Images whose features are computed so far, with rate and time left."""
        self.count("computing features", done, total)

    def count(self, what: str, done: int, total: int) -> None:
        """Any long count, with rate and time left."""
        now = time.monotonic()
        if done <= 1 or what not in self._began:
            self._began[what] = now
        seconds = now - self._began[what]
        if done >= total:
            self._began.pop(what, None)
            self.clear()
        elif seconds >= QUIET_SECONDS and self._is_due(now):
            rate = done / seconds
            left = duration((total - done) / rate) if total else "?"
            pace = f"{rate:,.0f} a second" if rate >= SLOW else f"{1 / rate:.1f} s each"
            self._show(f"{what}  {done:,} of {total:,}  {pace}  {left} left")

    def training(self, progress: "Progress") -> None:
        """Loss, accuracy, rate, time left, and what limits it."""
        if progress.step >= progress.steps:
            self.clear()
        elif self._is_due(time.monotonic()):
            validation = ""
            if progress.validation_accuracy is not None:
                validation = f"  validation {percent(progress.validation_accuracy, digits=1)}"
            self._show(
                f"epoch {progress.epoch} of {progress.epochs:.3g}  loss {progress.loss:.3f}  "
                f"accuracy {percent(progress.accuracy, digits=1)}{validation}  "
                f"{progress.images_per_second:,.0f} images/s (limited by {progress.limited_by})  "
                f"{duration(progress.seconds_left)} left"
            )

    def searching(self, progress: "SearchProgress") -> None:
        """Which training of the search it is, how that goes, the best so far, and the time left for all."""
        if not self._is_due(time.monotonic()):
            return
        now, best = progress.training, ""
        if progress.best_accuracy is not None:
            best = f"  best {percent(progress.best_accuracy, digits=1)} (trial {progress.best_trial})"
        validation = (
            "" if now.validation_accuracy is None else f"  validation {percent(now.validation_accuracy, digits=1)}"
        )
        self._show(
            f"{progress.doing}  epoch {now.epoch} of {now.epochs:.3g}{validation}{best}  "
            f"at most {duration(progress.seconds_left)} left"
        )

    def _is_due(self, now: float) -> bool:
        if now - self._last < SECONDS_BETWEEN[self._is_terminal]:
            return False
        self._last = now
        return True

    def _show(self, line: str) -> None:
        if self._is_terminal:
            sys.stderr.write("\r" + line.ljust(self._shown))
            self._shown = len(line)
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()


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
