"""What a terminal shows: one live bar for the stage at hand, tables and coloured verdicts; a pipe gets plain lines."""

import io
import os
import sys

import pytest
from rich.console import Console
from rich.text import Text

from vidi.cli.live import LiveBar, StageLine
from vidi.cli.screen import ShownStage, draws, painter, show_table
from vidi.cli.terminal import Terminal
from vidi.training.loop.progress import Progress
from vidi.workflows.interaction.events import Message, StageProgress, StepDone
from vidi.workflows.interaction.output import aligned

STAGE = ShownStage(what="reading images", done=30, total=120, facts=("30 of 120",), rate="12 a second", left="8 s")
PROGRESS = Progress(
    epoch=2,
    epochs=10,
    step=30,
    steps=200,
    loss=0.5,
    accuracy=0.9,
    validation_loss=None,
    validation_accuracy=0.8,
    images_per_second=123.4,
    seconds_left=65,
    limited_by="arithmetic",
)


def screen(*, width: int = 100, colours: bool = True) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, no_color=not colours, _environ={})


def drawn(stage: ShownStage, width: int) -> str:
    console = screen(width=width)
    with console.capture() as captured:
        console.print(StageLine(stage), end="")
    return plain(captured.get())


def plain(text: str) -> str:
    return Text.from_ansi(text).plain


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_a_stage_fits_one_line_of_any_terminal_and_keeps_the_time_left(width: int):
    line = drawn(STAGE, width)

    assert "\n" not in line
    assert len(line) < width
    assert line.rstrip().endswith("8 s left")


def test_a_wide_terminal_shows_every_figure_and_a_narrow_one_the_bar_and_the_rate():
    assert "━" in drawn(STAGE, 100)
    assert "30 of 120  12 a second" in drawn(STAGE, 100)
    assert "━" in drawn(STAGE, 50)
    assert "12 a second" in drawn(STAGE, 50)
    assert "30 of 120" not in drawn(STAGE, 50)


def test_a_sentence_takes_the_bar_away_and_nothing_of_it_stays(capsys: pytest.CaptureFixture[str]):
    console, clock = screen(), Clock()
    terminal = Terminal(LiveBar(console), now=clock)

    terminal.tell(StageProgress("reading images", 1, 100))
    clock.seconds = 5.0
    terminal.tell(StageProgress("reading images", 50, 100))
    terminal.tell(Message("read"))

    shown = console.file.getvalue()
    assert "50 of 100  10 a second" in shown
    assert shown.rstrip("\r").endswith("\x1b[2K")  # the line is wiped
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is back
    assert capsys.readouterr().err == "read\n"


def test_what_is_done_soon_draws_no_bar():
    console, clock = screen(), Clock()
    terminal = Terminal(LiveBar(console), now=clock)

    for done in range(1, 101):
        clock.seconds += 0.01
        terminal.tell(StageProgress("reading images", done, 100))

    assert console.file.getvalue() == ""


def test_a_pipe_gets_plain_lines_and_few(capsys: pytest.CaptureFixture[str]):
    clock = Clock()
    terminal = Terminal(now=clock)

    for clock.seconds in (0.0, 1.0, 9.0, 11.0):
        terminal.tell(StepDone(PROGRESS))

    line = (
        "epoch 2 of 10  loss 0.500  accuracy 90.0 %  validation 80.0 %  123 images/s (limited by arithmetic)  "
        "1 min 5 s left\n"
    )
    assert capsys.readouterr().err == 2 * line


def test_a_table_on_a_terminal_colours_the_verdict_and_no_color_is_respected(capsys: pytest.CaptureFixture[str]):
    rows = [("", "old", "new", ""), ("accuracy", "50 %", "90 %", "new is better")]
    coloured, grey = screen(), screen(colours=False)

    for console in (coloured, grey):
        show_table(rows, right={1, 2}, console=console)
    show_table(rows, right={1, 2})

    assert "\x1b[32mnew is better" in coloured.file.getvalue()
    assert "\x1b[3" not in grey.file.getvalue()
    assert capsys.readouterr().out.splitlines() == aligned(rows, right={1, 2})


@pytest.mark.parametrize("width", [40, 70, 120])
def test_a_table_never_breaks_a_number_whatever_the_width(width: int):
    console = screen(width=width)

    show_table(
        [("run", "accuracy (95 %)", "data"), ("cats", "98.1 % (95.0 to 99.4)", "photos/of/cats")], console=console
    )

    shown = plain(console.file.getvalue())
    assert "98.1 % (95.0 to 99.4)" in shown.replace("\n  accuracy (95 %)", "")
    assert max(map(len, shown.splitlines())) <= width


def test_a_path_that_looks_like_markup_is_shown_as_it_is():
    console = screen()

    show_table([("run", "data"), ("[red]x", "[/]y")], console=console)

    assert "[red]x" in plain(console.file.getvalue())
    assert "[/]y" in plain(console.file.getvalue())


def test_a_verdict_has_its_colour_on_a_terminal_only():
    assert painter(io.StringIO(), screen())("unsure") == "\x1b[33munsure\x1b[0m"
    assert painter(io.StringIO(), screen(colours=False))("unsure") == "unsure"
    assert painter(io.StringIO())("unsure") == "unsure"


@pytest.mark.skipif(sys.platform == "win32", reason="needs:pty")
def test_a_real_terminal_is_drawn_on_unless_it_is_dumb(monkeypatch: pytest.MonkeyPatch):
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, os.fdopen(ours, "rb", buffering=0) as reader:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        assert draws(stream)
        terminal = Terminal()
        terminal.tell(StepDone(PROGRESS))
        terminal.clear()
        shown = b""
        while b"\x1b[?25h" not in shown:  # until the cursor is back; what was written arrives in pieces
            shown += reader.read(4096)
        monkeypatch.setenv("TERM", "dumb")
        assert not draws(stream)

    assert b"epoch 2 of 10" in shown
    assert b"1 min 5 s left" in shown
