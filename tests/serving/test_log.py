"""Log lines: one JSON object each, and no reader holds up an answer."""

import io
import json
import threading

from vidi.serving.engine.telemetry import LineWriter, RequestLog


class Paused(io.StringIO):
    """A stream whose reader pauses until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.goes_on = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.began.set()
        self.goes_on.wait(20)
        return super().write(text)


def test_lines_that_nobody_reads_are_left_out_and_counted():
    stream = Paused()
    with LineWriter(stream, most=2) as writer:
        writer.write("1\n")
        assert stream.began.wait(20)
        for number in range(2, 6):  # two wait, two are left out
            writer.write(f"{number}\n")
        stream.goes_on.set()

    assert stream.getvalue().split() == ["1", "2", "3"]


def test_a_reader_who_is_gone_changes_nothing():
    stream = io.StringIO()
    stream.close()

    with LineWriter(stream) as writer:
        writer.write("1\n")

    assert "vidi-log" not in [thread.name for thread in threading.enumerate()]


def test_control_signs_cannot_end_a_line():
    lines: list[str] = []

    RequestLog(lines.append).event("request", {"route": "a\nb\x1b[31m\u2028"})

    assert len("".join(lines).splitlines()) == 1
    assert json.loads(lines[0])["route"] == "a\nb\x1b[31m\u2028"
