"""events.jsonl: what is written, how often, and what its last line says."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import get_args

import pytest

from vidi.errors import DataError
from vidi.training.loop.progress import EpochRow, Progress
from vidi.workflows.interaction.event_file import EVENTS, NAMES, EventFile, recorded
from vidi.workflows.interaction.events import SILENCE, Ended, Event, StageProgress


def progress(step: int, *, loss: float = 0.5) -> Progress:
    return Progress(
        epoch=1,
        epochs=2.0,
        step=step,
        steps=100,
        loss=loss,
        accuracy=0.75,
        validation_loss=None,
        validation_accuracy=None,
        images_per_second=10.0,
        seconds_left=9.0,
        limited_by="arithmetic",
    )


ROW = EpochRow(
    epoch=1,
    train_loss=float("nan"),
    train_accuracy=0.5,
    validation_loss=None,
    validation_accuracy=0.25,
    learning_rate=0.1,
    images_per_second=10.0,
    seconds=2.0,
    limited_by="arithmetic",
)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / EVENTS).read_text("utf-8").splitlines() if line]


def ticks(seconds: float) -> Iterator[float]:
    return (number * seconds for number in count())


def test_every_kind_of_event_has_a_name():
    assert set(NAMES) == set(get_args(Event))


def test_a_finished_run_is_a_line_for_each_event_and_an_end(tmp_path: Path):
    with recorded(tmp_path, SILENCE, resume="vidi train --resume run", now=ticks(1.0).__next__) as events:
        events.say("writing to run")
        events.training(progress(1))
        events.epoch(ROW, member=0)
        events.finished(tmp_path)

    said, step, epoch, run, ended = lines(tmp_path)
    assert said == {"event": "message", "at": 0.0, "sentence": "writing to run"}
    assert (step["event"], step["progress"]["step"]) == ("step", 1)  # type: ignore[index]
    assert epoch["row"]["train_loss"] is None  # type: ignore[index]  # JSON knows no NaN
    assert run["folder"] == str(tmp_path)
    assert ended == {"event": "ended", "at": 4.0, "state": "finished", "cause": "", "remedy": ""}


def test_progress_is_a_few_lines_a_second_and_no_stage_or_last_step_is_left_out(tmp_path: Path):
    file = EventFile(tmp_path, now=ticks(0.01).__next__)

    for done in range(1, 101):
        file.tell(StageProgress("reading images", done, 100))
    file.tell(StageProgress("computing features", 1, 100))

    written = [(line["what"], line["done"]) for line in lines(tmp_path)]
    assert written == [
        *(("reading images", done) for done in (1, 26, 51, 76, 100)),
        ("computing features", 1),
    ]


def test_an_error_is_the_last_line_with_its_remedy(tmp_path: Path):
    with pytest.raises(DataError), recorded(tmp_path, SILENCE, resume=""):
        raise DataError("no image can be read", "Name another folder.")

    assert (
        lines(tmp_path)[-1].items()
        >= {
            "event": "ended",
            "state": "failed",
            "cause": "no image can be read",
            "remedy": "Name another folder.",
        }.items()
    )


def test_a_stopped_run_says_how_it_continues_and_then_does(tmp_path: Path):
    with recorded(tmp_path, SILENCE, resume="vidi train --resume run"):
        pass
    with pytest.raises(KeyboardInterrupt), recorded(tmp_path, SILENCE, resume="vidi train --resume run"):
        raise KeyboardInterrupt
    with recorded(tmp_path, SILENCE, resume="") as events:
        events.finished(tmp_path)

    ended = [(line["state"], line["remedy"]) for line in lines(tmp_path) if line["event"] == "ended"]
    assert ended == [*2 * [("stopped", "Continue: vidi train --resume run")], ("finished", "")]


def test_a_line_that_a_killed_writer_left_does_not_spoil_the_next(tmp_path: Path):
    (tmp_path / EVENTS).write_text('{"event": "mess', "utf-8")

    file = EventFile(tmp_path)
    file.open()
    file.tell(Ended("finished"))

    first, second = (tmp_path / EVENTS).read_text("utf-8").splitlines()
    assert first == '{"event": "mess'
    assert json.loads(second)["state"] == "finished"


def test_a_file_that_cannot_be_written_does_not_end_the_work(tmp_path: Path):
    with recorded(tmp_path / "gone", SILENCE, resume="") as events:
        events.finished(tmp_path)

    assert not (tmp_path / "gone").exists()
