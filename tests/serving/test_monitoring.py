"""A server monitors its log in a process beside it: findings become gauges, and a failure is reported, not raised."""

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from tests.command import vidi
from tests.log.made import tiny_with_reference
from tests.model_file.tiny import tiny_metadata, tiny_model
from tests.report.test_monitor_words import QUIET
from vidi.log.store import PredictionLog
from vidi.model_file.drift_reference import DriftReference, Histogram
from vidi.model_file.write import set_metadata
from vidi.serving.models.served import ServedModel, open_served
from vidi.serving.monitoring import LogMonitor, monitor_command

REFERENCE = DriftReference(
    basis="calibration",
    answer_count=20,
    group_count=20,
    classes=(10, 5, 5),
    verdicts={"sure": 0, "unsure": 20, "unknown": 0},
    confidence=Histogram(edges=(0.3, 1.0), counts=(20,)),
)
HOUR = 3_600.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    made = tiny_model(tmp_path_factory.mktemp("served") / "model.onnx")
    set_metadata(made.path, replace(tiny_metadata(), drift_reference=REFERENCE))
    return open_served("tiny", made.path)


class Told:
    """What a monitor reports."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def __call__(self, model: str, state: str, why: str) -> None:
        self.lines.append((model, state, why))


def python(*lines: str) -> Sequence[str]:
    """A command in place of `vidi monitor`."""
    return (sys.executable, "-S", "-c", "\n".join(lines))


def shown(monitor: LogMonitor) -> str:
    registry = CollectorRegistry()
    registry.register(monitor.gauges)
    return generate_latest(registry).decode()


def test_what_was_found_is_in_the_gauges(served: ServedModel):
    told = Told()
    answer = python(f"print({json.dumps(QUIET)!r})", "raise SystemExit(7)")
    monitor = LogMonitor(lambda: [served], lambda _: answer, told, seconds=HOUR)

    monitor.look()

    assert 'vidi_estimated_accuracy{model_id="ab12",version="clothes"} 0.84' in shown(monitor)
    assert told.lines == [("tiny", "quiet", "")]


def test_a_command_that_fails_is_reported_and_shows_nothing(served: ServedModel):
    told = Told()
    monitor = LogMonitor(lambda: [served], lambda _: python("raise SystemExit('no log')"), told, seconds=HOUR)

    monitor.look()

    assert told.lines == [("tiny", "failed", "no log")]
    assert shown(monitor) == ""


def test_a_model_without_a_reference_is_left_out(tmp_path: Path):
    bare = open_served("bare", tiny_model(tmp_path / "bare.onnx").path)
    asked: list[Path] = []
    monitor = LogMonitor(lambda: [bare], lambda path: asked.append(path) or (), Told(), seconds=HOUR)

    monitor.look()

    assert asked == []


def test_stopping_ends_a_command_under_way(served: ServedModel):
    begun = threading.Event()

    def command(_: Path) -> Sequence[str]:
        begun.set()
        return python("import time", "time.sleep(600)")

    monitor = LogMonitor(lambda: [served], command, Told(), seconds=0.0)
    monitor.start()
    begun.wait(10)

    monitor.stop()

    assert not any(one.name == "vidi-monitor" for one in threading.enumerate())


def test_the_command_holds_no_password():
    words = monitor_command("postgresql://user@db/log", Path("secret.txt"))(Path("model.onnx"))

    assert words[words.index("vidi") :] == (
        "vidi",
        "monitor",
        "model.onnx",
        "--log",
        "postgresql://user@db/log",
        "--json",
        "--log-password-file",
        "secret.txt",
    )


@pytest.mark.slow  # starts `vidi monitor` as a process of its own
def test_a_log_is_read_by_the_real_command(tmp_path: Path):
    model = tiny_with_reference(tmp_path / "tiny.onnx")
    with PredictionLog.open(str(tmp_path / "log.sqlite")):
        pass
    told = Told()
    command = monitor_command(str(tmp_path / "log.sqlite"), None)
    monitor = LogMonitor(lambda: [open_served("tiny", model.path)], command, told, seconds=HOUR)

    monitor.look()

    assert told.lines == [("tiny", "too few", "")]
    assert f'vidi_drift_images{{model_id="{model.model_id}"' in shown(monitor)


def test_without_a_log_there_is_nothing_to_monitor(tmp_path: Path):
    model = tiny_model(tmp_path / "bare.onnx")

    done = vidi("serve", model.path, "--monitor-every", 10, "--port", 0, folder=tmp_path)

    assert done.returncode == 2
    assert "Add --log URL." in done.stderr
