"""Accuracy on images made worse: against a plain loop, and what is said where it cannot be measured."""

import numpy as np
import pytest

from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from vidi.evaluation import robustness as subject
from vidi.evaluation.answers import Answers
from vidi.evaluation.robustness import NotMeasured, Robustness, measure_robustness
from vidi.evaluation.slices import estimate_shares
from vidi.images.corruptions import CORRUPTIONS
from vidi.images.framing import Framing
from vidi.images.pool import DecodeJob
from vidi.machine import Deadline
from vidi.model_file.values import by_fields
from vidi.prediction.predictor import Predictor

KINDS = ("disc", "stripes", "noise", "square")


def picture(path):
    return draw(KINDS[int(path) % 4], size=(16, 16), seed=int(path))


class Drawn:
    """Images that are drawn when they are read; the path is a number."""

    def read(self, path):
        return encoded(picture(path))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor.load(tiny_model(tmp_path_factory.mktemp("model") / "m.onnx", framing=Framing(size=(16, 16))).path)


def measured(predictor, count, **options):
    paths = [str(number) for number in range(count)]
    answers = [predictor.predict([picture(path)])[0].label_index for path in paths]
    labels = np.array(answers, np.int64)
    labels[: count // 10] = (labels[: count // 10] + 1) % 3  # one in ten is wrong
    names = [predictor.classes[label] for label in labels]
    about = Answers.of(predictor.classes, paths, truths=names, probabilities=np.zeros((count, 3)))
    found = measure_robustness(predictor, about, Drawn(), DecodeJob(), **options)
    return found, labels


def test_every_curve_is_what_a_plain_loop_gives(predictor):
    found, labels = measured(predictor, 40)

    assert isinstance(found, Robustness)
    assert (found.image_count, found.of_count, found.clean.value) == (40, 40, 0.9)
    assert [curve.name for curve in found.curves] == list(CORRUPTIONS)
    for curve in found.curves:
        if curve.name in ("noise", "rotation"):  # these are drawn by lot
            continue
        one = CORRUPTIONS[curve.name]
        for strength, estimate in zip(one.strengths, curve.accuracies, strict=True):
            worse = [one.corrupt(picture(path), strength, np.random.default_rng(0)) for path in range(40)]
            predicted = np.array([answer.label_index for answer in predictor.predict(worse)])
            assert estimate.value == pytest.approx((predicted == labels).mean())
            assert estimate.image_count == 40


def test_steps_between_two_that_are_answered_alike_are_not_asked(predictor, monkeypatch):
    run, asked = predictor.run, []
    monkeypatch.setattr(predictor, "run", lambda images, outputs: asked.append(len(images)) or run(images, outputs))

    found, _ = measured(predictor, 30)

    assert isinstance(found, Robustness)
    in_any_case = 1 + 2 * len(CORRUPTIONS)  # the image as it is, and the middle and the strongest step of each change
    assert 30 * in_any_case <= sum(asked) - 30 < 30 * (1 + 5 * len(CORRUPTIONS)) * 0.8


@pytest.mark.slow  # measures every curve twice
def test_how_many_threads_work_does_not_matter(predictor, monkeypatch):
    found = []
    for cores in ("1", "2"):
        monkeypatch.setenv("VIDI_CORES", cores)
        found.append(by_fields(measured(predictor, 31)[0]))

    assert found[0] == found[1]


def test_too_few_images_or_too_little_time_is_said(predictor):
    assert measured(predictor, 19)[0] == NotMeasured("few")
    assert measured(predictor, 31, until=Deadline.after(0))[0] == NotMeasured("time")
    assert by_fields(NotMeasured("time")) == {"left_out": "time"}


def test_with_little_time_the_middle_strength_of_some_images_is_measured_and_that_is_recorded(predictor, monkeypatch):
    monkeypatch.setattr(subject, "plan_images", lambda *_, **__: ((2,), 22))

    some, _ = measured(predictor, 40, until=Deadline.after(600))

    assert isinstance(some, Robustness)
    assert (some.image_count, some.of_count, some.has_every_step) == (22, 40, False)
    assert [curve.strengths for curve in some.curves] == [one.strengths[2:3] for one in CORRUPTIONS.values()]
    monkeypatch.setattr(subject, "plan_images", lambda *_, **__: (subject.EVERY_STEP, 22))
    every, _ = measured(predictor, 40, until=Deadline.after(600))
    assert [curve.accuracies[2:3] for curve in every.curves] == [curve.accuracies for curve in some.curves]
    monkeypatch.setattr(subject, "plan_images", lambda *_, **__: ((2,), 11))
    assert measured(predictor, 40, until=Deadline.after(600))[0] == NotMeasured("time")


class Ending:
    """A deadline that is over after it has been asked so many times."""

    def __init__(self, *, asked: int) -> None:
        self.left = asked

    def seconds_left(self) -> float:
        self.left -= 1
        return float(self.left)


def test_the_time_is_looked_at_between_the_answers_about_one_image(predictor, monkeypatch):
    run, answered = predictor.run, []
    monkeypatch.setattr(subject, "batch_size", lambda _: 4)  # twelve times for each image
    monkeypatch.setattr(predictor, "run", lambda *given: answered.append(1) or run(*given))

    monkeypatch.setenv("VIDI_CORES", "1")
    found, _ = measured(predictor, 31, until=Ending(asked=20))

    assert found == NotMeasured("time")
    assert len(answered) < 31 + 20  # once each for the labels, then of 31 x 3 and more: few images are finished


def test_shares_of_groups_are_less_sure_than_shares_of_images():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    hits = (random.random(40) < 0.7)[groups][:, None]

    (alone,) = estimate_shares(hits, np.arange(400))
    (together,) = estimate_shares(hits, groups)

    assert alone.value == together.value
    assert together.interval.high - together.interval.low > 2 * (alone.interval.high - alone.interval.low)
    assert estimate_shares(hits[:0], groups[:0])[0].as_json() == {"value": None, "low": None, "high": None, "n": 0}
    (always,) = estimate_shares(np.ones((400, 1), bool), groups)
    assert always.interval.low < 0.93  # forty observations, not four hundred
