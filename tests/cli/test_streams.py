"""Standard streams that are full, closed or read by nobody: no command calls that a bug of its own."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import HANDLED, vidi

from vidi.cli.app import main
from vidi.workflows.runs import list_runs, run_rows

PRINTS = ("--version",)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`main` with words that print, in a process whose signals and verbs are as before afterwards."""
    import signal

    before = {number: signal.getsignal(number) for number in HANDLED}
    monkeypatch.setattr(sys, "argv", ["vidi", *PRINTS])
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Full(io.RawIOBase):
    """A file on a disk without room."""

    def writable(self) -> bool:
        return True

    def write(self, _data: object) -> int:
        raise OSError(28, "No space left on device")


def ended(stream: io.TextIOWrapper | None, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.usefixtures("command")
def test_a_full_disk_under_the_output_ends_with_five(monkeypatch, capsys):
    stream = io.TextIOWrapper(Full())  # type: ignore[arg-type]
    assert ended(stream, monkeypatch) == 5
    assert "the output could not be written: No space left on device" in capsys.readouterr().err


@pytest.mark.usefixtures("command")
def test_a_pipe_that_nobody_reads_ends_the_command_quietly(monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", encoding="utf-8")
    with stream:
        assert ended(stream, monkeypatch) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("command")
def test_a_closed_output_is_no_error(monkeypatch, capsys):
    assert ended(None, monkeypatch) == 0
    sys.stdout.close()
    assert capsys.readouterr().err == ""


def test_a_folder_that_may_not_be_looked_into_is_listed_as_that(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "run.json").write_text("{}")
    exists = Path.exists

    def refuse(path: Path) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path)

    monkeypatch.setattr(Path, "exists", refuse)
    runs = list_runs(tmp_path)
    assert [(run.name, run.kind) for run in runs] == [("closed", "unreadable"), ("open", "run")]
    assert run_rows(runs)[1][:2] == ("closed", "cannot be read")


@pytest.mark.parametrize(
    "content", [[], {}, 3, {"schema": 2}, {"schema": 2, "data": []}, {"schema": 2, "data": {"x": 1}}]
)
def test_a_run_json_of_other_values_is_named(tmp_path, content):
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps(content))
    (run / "metrics.json").write_text("{}")
    for words in (("train", "--resume", "run"), ("report", "run")):
        done = vidi(*words, folder=tmp_path)
        assert done.returncode in (2, 3), done.stderr
        assert "run" in done.stderr
        assert "bug" not in done.stderr
