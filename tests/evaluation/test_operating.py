"""Operating points: what calibration chose is what answers follow, and the test part says whether the target held."""

from pathlib import Path

import numpy as np
import pytest

from tests.metrics.answers import honest_answers
from vidi.errors import UsageError
from vidi.evaluation.answers import Answers
from vidi.evaluation.guarantees.operating import OperatingTarget, find_points, read_costs
from vidi.evaluation.guarantees.verdicts import evaluate_points
from vidi.images.framing import Framing
from vidi.model_file.limits import OperatingPoints
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import as_plain, read_part
from vidi.prediction.prediction import decide
from vidi.report.words.guarantees import describe_points

NAMES = ("ant", "bee", "cat")
COSTS = {"ant": {"ant": 0, "bee": 9, "cat": 9}, "bee": {"ant": 1, "bee": 0, "cat": 1}, "cat": dict.fromkeys(NAMES, 1)}


def points_from(images: int = 1_000, *, positive: str | None = None, **target: object) -> OperatingPoints:
    probabilities, labels = honest_answers(images=images)
    wanted = OperatingTarget.of(**target)
    assert wanted is not None
    return find_points(probabilities, np.eye(3, dtype=bool)[labels], NAMES, target=wanted, positive=positive)


def answers_of(images: int, *, seed: int = 1) -> Answers:
    probabilities, labels = honest_answers(images=images, seed=seed)
    return Answers.of(
        NAMES,
        [f"{row}.png" for row in range(images)],
        truths=[NAMES[label] for label in labels],
        probabilities=probabilities.astype(np.float32),
    )


def test_a_recall_is_kept_on_other_images():
    points = points_from(positive="bee", recall=0.9)

    (figures,) = evaluate_points(answers_of(3_000), points).per_class

    assert points.points[0].is_promised
    assert 0.88 < figures.recall.value < 0.97
    assert figures.is_broken is False
    assert "with 95 % certainty" in describe_points(points)[0]


def test_each_class_gets_a_threshold_where_none_is_named():
    points = points_from(false_alarms_per=20)

    figures = evaluate_points(answers_of(3_000), points).per_class

    assert [point.name for point in points.points] == list(NAMES)
    assert all(0.01 < one.false_alarms.value < 0.06 for one in figures)


@pytest.mark.parametrize(
    "target", [{"recall": 0.9}, {"precision": 0.7}, {"costs": COSTS}, {"recall": 0.9, "positive": "bee"}]
)
def test_what_evaluation_counts_is_what_an_answer_says(target):
    points, answers = points_from(**target), answers_of(200)
    metadata = ModelMetadata(classes=NAMES, framing=Framing(size=(8, 8)), operating_points=points)

    decisions = [decide(row, metadata).decision for row in answers.probabilities]
    figures = evaluate_points(answers, points)

    for one in figures.per_class:
        called = np.array([one.name in decision for decision in decisions])
        assert one.recall.value == np.mean(called[np.array(answers.truths) == one.name])
    if "recall" not in target or "positive" in target:
        assert not points.costs or all(len(decision) == 1 for decision in decisions)


def test_a_positive_class_always_leaves_one_answer():
    points = points_from(positive="bee", recall=0.9)
    metadata = ModelMetadata(classes=NAMES, framing=Framing(size=(8, 8)), operating_points=points)

    assert decide(np.float32([0.5, 0.1, 0.4]), metadata).decision == ("ant",)
    low = decide(np.float32([0.45, points.points[0].threshold + 0.01, 0.1]), metadata)
    assert low.decision == ("bee",)
    assert low.label == "ant"  # the most probable class stays what it was


def test_costs_pay():
    points = points_from(costs=COSTS)

    figures = evaluate_points(answers_of(2_000), points)

    assert figures.mean_cost.value < figures.mean_cost_of_labels.value
    assert figures.mean_cost.interval.low < figures.mean_cost.value < figures.mean_cost.interval.high


def test_what_cannot_be_promised_is_said_with_the_number_of_images_it_takes():
    (sentence,) = describe_points(points_from(90, positive="bee", recall=0.99))

    assert "cannot be guaranteed" in sentence
    assert "needs 299 independent images of it" in sentence


def test_points_come_back_from_json_as_they_were():
    for points in (points_from(precision=0.8), points_from(costs=COSTS), points_from(positive="ant", recall=0.9)):
        assert read_part(OperatingPoints, as_plain(points)) == points


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"recall": 99}, "recall is 99"),
        ({"false_alarms_per": 1}, "false_alarms_per is 1"),
        ({"false_alarms_per": 0}, "false_alarms_per is 0"),
        ({"recall": 0.9, "precision": 0.9}, "recall and precision each set"),
    ],
)
def test_wishes_that_cannot_be_are_refused(target, said):
    with pytest.raises(UsageError, match=said):
        OperatingTarget.of(**target)


def test_a_table_of_costs_is_read_by_names(tmp_path: Path):
    path = tmp_path / "costs.csv"
    path.write_text("\ufefftrue, bee, ant\nant,9,0\nbee,0,1\n", encoding="utf-8")

    target = OperatingTarget.of(costs=read_costs(path))

    assert target is not None
    target.require_fitting(("ant", "bee"), positive=None)
    assert target.costs == {"ant": {"bee": 9.0, "ant": 0.0}, "bee": {"bee": 0.0, "ant": 1.0}}
    with pytest.raises(UsageError, match="no row for cat"):
        target.require_fitting(NAMES, positive=None)


@pytest.mark.parametrize("text", ["", "a,b\n", "x,a,b\na,0,y\nb,1,0\n", "x,a,b\na,0,1\na,1,0\n", "x,a,b\na,0\nb,1,0\n"])
def test_what_is_no_table_of_costs_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "costs.csv"
    path.write_text(text)

    with pytest.raises(UsageError, match="not a table of costs"):
        read_costs(path)


def test_a_positive_class_that_is_not_there_is_refused():
    target = OperatingTarget.of(recall=0.9)

    assert target is not None
    with pytest.raises(UsageError, match="--positive dog is not a class"):
        target.require_fitting(NAMES, positive="dog")


@pytest.mark.parametrize(("target", "careful"), [({"recall": 0.9}, min), ({"false_alarms_per": 20}, max)])
def test_of_two_kinds_of_answers_the_more_careful_threshold_is_taken(target, careful):
    probabilities, labels = honest_answers(images=1_000)
    sharper = probabilities**2 / (probabilities**2).sum(axis=1, keepdims=True)
    wanted, shown = OperatingTarget.of(**target), np.eye(3, dtype=bool)[labels]

    one, other, both = (
        find_points(given[0], shown, NAMES, target=wanted, shipped=given[1] if len(given) > 1 else None).points
        for given in ((probabilities,), (sharper,), (probabilities, sharper))
    )

    for first, second, joined in zip(one, other, both, strict=True):
        assert joined.threshold == careful(first.threshold, second.threshold)
        assert joined.is_promised
