"""`--minutes`: what comes after training gets its time, and more of it beside other work."""

from types import SimpleNamespace

import numpy as np
import pytest

from vidi.evaluation.answers import Answers
from vidi.evaluation.robustness import NotMeasured
from vidi.images.limits import DecodeOptions
from vidi.machine import Deadline
from vidi.workflows.evaluating import trust
from vidi.workflows.interaction.events import Silence
from vidi.workflows.run import learn


class Clock(Deadline):
    """A deadline on a clock that stands still."""

    def seconds_left(self) -> float:
        return self.at

    def earlier(self, seconds: float) -> "Clock":
        return Clock(self.at - seconds, self.seconds)


@pytest.mark.parametrize(("share", "seconds"), [(1.0, 54.0), (0.5, 51.0), (0.1, 30.0)])
def test_beside_other_work_training_ends_sooner(monkeypatch, share: float, seconds: float):
    prepared = SimpleNamespace(split=SimpleNamespace(rows=lambda _: np.zeros(10, np.int64)))
    monkeypatch.setattr(learn, "free_share", lambda: share)

    until = learn.training_deadline(Clock(60.0, 60.0), prepared)

    assert until.seconds == pytest.approx(seconds)


def test_robustness_leaves_time_for_the_report_and_says_where_there_is_none(monkeypatch):
    told, asked = Told(), []
    monkeypatch.setattr(trust, "free_share", lambda: 0.5)
    monkeypatch.setattr(
        trust, "measure_robustness", lambda *_, until, **__: asked.append(until.seconds_left()) or NotMeasured("time")
    )
    answers = Answers.of(["a", "b"], ["1", "2"], truths=["a", "b"], probabilities=np.eye(2))

    found = trust.measure_trust(
        None, answers, None, options=DecodeOptions(), seed=0, deadline=Clock(20.0, 60.0), events=told
    )

    assert asked == [20.0 - 2 * trust.SECONDS_FOR_REPORT]
    assert found["robustness"] == {"left_out": "time"}
    assert told.said == ["robustness: left out, no time was left; `vidi evaluate` measures it"]


class Told(Silence):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)
