"""Results on standard output: tables and coloured verdicts on a terminal, plain lines in a pipe or a file."""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

GAP = 3  # columns between two of a table
FOLDED = 16  # columns that the last of a table has at least, where it needs them
STYLES = {
    "sure": "green",
    "unsure": "yellow",
    "unknown": "magenta",
    "refused": "red",
    "problem": "red",
    "warning": "yellow",
    "note": "cyan",
    "better": "green",
    "worse": "red",
}


def draws(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can move its cursor; only there is rich worth its loading time."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def show_table(rows: Sequence[Sequence[str]], *, right: Collection[int] = (), console: "Console | None" = None) -> None:
    """Show rows, the first of them the head: as a table on a terminal, as plain lines elsewhere.

    Args:
        right: columns whose cells stand at the right, as numbers do.
        console: where to draw; standard output by default.
    """
    if console is None and not draws(sys.stdout):
        from vidi.workflows.interaction.output import aligned

        click.echo("\n".join(aligned(rows, right=right)))
        return
    from rich.console import Console
    from rich.text import Text

    screen = console or Console()
    cells = [[Text(cell, STYLES.get(cell.rpartition(" is ")[2], "")) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    needed = sum(widths[:-1]) + min(widths[-1], FOLDED) + GAP * len(widths)
    if needed <= screen.width:
        screen.print(_grid(cells, right))
    else:
        for line in _records(cells):
            screen.print(line)


def _grid(cells: Sequence[Sequence["Text"]], right: Collection[int]) -> "Table":
    """A table whose last column alone may be folded."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    last = len(cells[0]) - 1
    for column, name in enumerate(cells[0]):
        table.add_column(name, justify="right" if column in right else "left", overflow="fold", no_wrap=column < last)
    for row in cells[1:]:
        table.add_row(*row)
    return table


def _records(cells: Sequence[Sequence["Text"]]) -> Iterator["Text"]:
    """The rows one below the other, for a terminal that is too narrow for a table."""
    from rich.text import Text

    head, *rows = cells
    for row in rows:
        yield Text(row[0].plain, "bold")
        for name, cell in zip(head[1:], row[1:], strict=True):
            if cell:
                yield Text.assemble("  ", name, "  " if name else "", cell)


def show_line(line: str) -> None:
    """Show a line; on a terminal its first word has a colour where it judges."""
    word, space, rest = line.partition(" ")
    click.echo(painter(sys.stdout)(word) + space + rest)


def painter(stream: TextIO, console: "Console | None" = None) -> Callable[[str], str]:
    """A function that gives a verdict its colour, where a stream is a terminal; else one that changes nothing."""
    if console is None and not draws(stream):
        return str
    from rich.console import Console
    from rich.text import Text

    screen = console or Console(file=stream)

    def paint(word: str) -> str:
        if word not in STYLES:
            return word
        with screen.capture() as captured:
            screen.print(Text(word, STYLES[word]), end="", soft_wrap=True)
        return captured.get()

    return paint


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStage:
    """What is being done, and how far it is."""

    what: str
    done: int
    total: int  # 0 where it is not known
    facts: tuple[str, ...]  # figures, the most telling first
    rate: str = ""
    remark: str = ""  # on the rate
    left: str  # the time left, as people say it

    def line(self) -> str:
        """The stage in one plain line."""
        rate = f"{self.rate} ({self.remark})" if self.remark else self.rate
        return "  ".join(filter(None, [self.what, *self.facts, rate, f"{self.left} left"]))
