"""metrics.json read back: what was written, what an older vidi wrote, and what nobody knows."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from tests.report.runs import make_run, promising
from tests.report.two_parts import refuted, two_parts
from vidi.evaluation.answers import Answers, SeveralCalled
from vidi.evaluation.document import Metrics, Origin, Trust, evaluate_parts, scored_metrics
from vidi.evaluation.robustness import NotMeasured
from vidi.evaluation.sections import ModelName, TrainingFacts
from vidi.model_file.values import as_plain, from_plain

NAMES = ("ant", "bee", "cat", "dog", "_unknown")


def scored(*, images: int, classes: int, kinds: set[str], seed: int) -> Metrics:
    """Figures of answers that were drawn at random."""
    grouped, several, foreign = ("grouped" in kinds, "several" in kinds, "foreign" in kinds)
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    shown = np.eye(classes, dtype=bool)[labels]
    truths = [NAMES[label] for label in labels]
    if foreign and not several and images:
        truths[0] = "eel"
    answers = Answers(
        classes=NAMES[:classes],
        paths=tuple(f"{row}.png" for row in range(images)),
        truths=tuple(truths),
        probabilities=random.dirichlet(np.ones(classes), images).astype(np.float32).reshape(-1, classes),
        parts=tuple("test" if row % 4 else "extra" for row in range(images)),
        digests=("",) * images,
        groups=tuple(f"{row // 3}" if grouped else "" for row in range(images)),
        near_duplicates=tuple(row % 5 == 1 for row in range(images)),
        several=SeveralCalled(shown=shown, called=random.random(shown.shape) > 0.5) if several else None,
    )
    return scored_metrics(answers, evaluate_parts(answers), None if several else promising(NAMES[:classes]))


@pytest.mark.slow  # over a second of processor time: the ranges of eight sets of answers
@settings(max_examples=8, deadline=None)
@given(
    images=some.integers(0, 40),
    classes=some.integers(2, 5),
    kinds=some.sets(some.sampled_from(["grouped", "several", "foreign"])),
    seed=some.integers(0, 99),
)
@example(images=0, classes=2, kinds={"several"}, seed=0)
def test_what_was_written_is_read_back_exactly(images, classes, kinds, seed):
    metrics = scored(images=images, classes=classes, kinds=kinds, seed=seed)
    written = json.loads(json.dumps(metrics.as_json(), allow_nan=False))

    assert json.loads(json.dumps(Metrics.from_json(written).as_json())) == written


def test_the_file_of_a_run_is_read_back_exactly(tmp_path):
    written = json.loads((make_run(tmp_path) / "metrics.json").read_text("utf-8"))
    written |= {"two_parts": two_parts(loudest=("a%0a.png",)), "refuted": refuted()}

    metrics = Metrics.from_json(written)

    assert json.loads(json.dumps(metrics.as_json())) == written
    assert metrics.labels.learning_curve.gain.value == 0.03
    assert [one.name for one in metrics.trust.refuted] == [None, None, "disc"]


def test_sections_that_are_missing_or_unknown_are_no_error():
    metrics = Metrics.from_json({"schema": 2, "colour": "red", "model": {"id": "0" * 12, "run": "a", "smell": 3}})

    assert metrics.origin.model == ModelName(id="0" * 12, run="a")
    assert metrics.parts.test is None
    assert not metrics.is_evaluation


def test_a_run_says_null_of_what_it_has_not_and_an_evaluation_leaves_it_out():
    training = TrainingFacts(epochs=1, best_epoch=None, stopped_by="epochs", seconds=1, notes=())

    run, evaluation = (Metrics(origin=one).as_json() for one in (Origin(training=training), Origin(foreign_classes=())))

    assert run["ensemble"] is run["two_parts"] is run["verdicts"] is None
    assert run["training"]["best_epoch"] is None
    assert evaluation["verdicts"] is None
    assert "ensemble" not in evaluation
    assert evaluation["foreign_classes"] == []


def test_why_robustness_was_not_measured_is_read_back():
    metrics = Metrics(trust=Trust(robustness=NotMeasured("time")))

    assert Metrics.from_json(metrics.as_json()).trust.robustness == NotMeasured("time")


@pytest.mark.parametrize(
    "entries", [{"test": []}, {"test_uses": "twice"}, {"data": {"source": 3}}, {"test_uses": True}, {"slices": [{}]}]
)
def test_what_is_no_such_section_is_refused(entries):
    with pytest.raises((TypeError, KeyError)):
        Metrics.from_json(entries)


def test_a_section_is_written_by_the_names_of_its_entries():
    (one,) = Metrics.from_json({"refuted": refuted()[:1]}).trust.refuted

    assert as_plain(one) == refuted()[0]
    assert from_plain(type(one), as_plain(one)) == one
