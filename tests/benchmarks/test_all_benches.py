"""All benches after one another: what was measured is kept, and a second start goes on."""

import importlib.util
import os
import subprocess
import sys

import pytest
from bench import __main__ as benches
from bench.__main__ import BENCHES, Bench, run_all, surroundings


def test_what_has_run_does_not_run_again(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(benches, "BENCHES", {"first": Bench("platform", 1), "second": Bench("calendar", 2)})

    assert run_all(tmp_path) == 0
    first, second = ((tmp_path / f"{name}.txt").read_text() for name in ("first", "second"))
    (tmp_path / "second.txt").unlink()
    capsys.readouterr()
    assert run_all(tmp_path) == 0

    shown = capsys.readouterr().out
    assert "exit code 0" in first
    assert "December" in second
    assert "1 of 2 benches" in shown
    assert "## first" not in shown
    assert "about 2 minutes, the last one" in shown


def test_a_failure_is_the_outcome_and_the_others_run(monkeypatch, tmp_path):
    monkeypatch.setattr(benches, "BENCHES", {"bad": Bench("no_such_bench", 1), "good": Bench("platform", 1)})

    assert run_all(tmp_path) == 1
    assert (tmp_path / "good.txt").exists()


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_is_there(name):
    assert importlib.util.find_spec(BENCHES[name].module) is not None


def test_without_the_larger_sets_the_digits_are_measured(monkeypatch):
    monkeypatch.delenv("VIDI_DATA", raising=False)
    monkeypatch.setenv("ONLY", "cifar10-5")
    assert surroundings("accuracy", "")["ONLY"] == "digits"
    assert "ONLY" not in surroundings("drift", "")
    monkeypatch.setenv("VIDI_DATA", "sets")
    assert surroundings("accuracy", "person")["ONLY"] == "person"


@pytest.mark.integration  # starts a bench in a process of its own, which imports torch
def test_a_row_that_is_not_there_is_said():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "no-row"],
        env={**os.environ, "VIDI_DATA": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no-row: no such bench or row. Rows: digits, " in done.stderr


def test_help_lists_every_bench_and_its_minutes(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "--help"])

    assert benches.main() == 0
    shown = capsys.readouterr().out
    assert "NAME is a bench, or a row" in shown
    assert all(f"\n{name} " in shown for name in BENCHES)
