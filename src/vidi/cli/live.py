"""One live bar on a terminal, drawn by rich: the stage, how far it is, its figures, and the time left."""

import atexit
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from vidi.cli.screen import ShownStage

NARROWEST, WIDEST = 10, 40  # columns of the bar
GAP = "  "
DONE, REST, QUIET = Style(color="cyan"), Style(color="bright_black"), Style(dim=True)


class LiveBar:
    """The line at the bottom of the terminal that shows the stage at hand; nothing of it stays."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live: Live | None = None

    def show(self, stage: ShownStage) -> None:
        """Draw the stage in place of what was drawn before."""
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
            self._live.start()
            atexit.register(self.clear)  # whatever ends the command, the cursor comes back
        self._live.update(StageLine(stage), refresh=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            atexit.unregister(self.clear)


@dataclass(frozen=True, slots=True)
class StageLine:
    """A stage as one line that fits any width: what does not fit is left out, the time left never."""

    stage: ShownStage

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - 1  # a full line makes some terminals go on to the next
        what, left = Text(self.stage.what, no_wrap=True), Text(f"{self.stage.left} left", QUIET)
        room -= left.cell_len + len(GAP)
        if room - what.cell_len - len(GAP) < NARROWEST:
            what.truncate(max(1, room), overflow="ellipsis")
            yield from _line(console, [what, left])
            return
        room -= what.cell_len + len(GAP)
        kept = set()
        for words in (self.stage.rate, *self.stage.facts, self.stage.remark):
            needed = Text(words).cell_len + len(GAP)
            if room - needed < NARROWEST:
                break
            kept.add(words)
            room -= needed
        facts = [Text(words) for words in (*self.stage.facts, self.stage.rate, self.stage.remark) if words in kept]
        bar = ProgressBar(
            total=self.stage.total,
            completed=self.stage.done,
            width=min(room, WIDEST),
            style=REST,
            complete_style=DONE,
            finished_style=DONE,
        )
        yield from _line(console, [what, bar, *filter(None, facts), left])


def _line(console: Console, parts: list[Text | ProgressBar]) -> RenderResult:
    for index, part in enumerate(parts):
        if index:
            yield Segment(GAP)
        segments = console.render(part, console.options.update(no_wrap=True))
        yield from (segment for segment in segments if segment.text != "\n")
