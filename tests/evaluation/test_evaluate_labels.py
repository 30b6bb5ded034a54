"""Figures of images that may show several classes: scikit-learn's numbers, honest ranges, nothing where no data is."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    hamming_loss,
    precision_score,
    recall_score,
)

from vidi.evaluation.answers import Answers, SeveralCalled, as_called, join_names
from vidi.evaluation.document import evaluate_parts, scored_metrics
from vidi.evaluation.evaluate import evaluate_labels
from vidi.evaluation.guarantees.operating import BEST_F1, OperatingTarget, find_points
from vidi.evaluation.guarantees.verdicts import evaluate_points
from vidi.evaluation.run_files import write_predictions
from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.prediction import decide
from vidi.report.words.guarantees import describe_points

NAMES = ("ant", "bee", "cat|dog")


def answered(images: int = 200, *, seed: int = 0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(images, 3)) * 2 - 1
    probabilities = 1 / (1 + np.exp(-logits))
    return probabilities.astype(np.float32), random.random((images, 3)) < probabilities


def test_the_figures_are_scikit_learns():
    probabilities, targets = answered()
    called = probabilities >= 0.4

    figures = evaluate_labels(probabilities, targets, called, NAMES)

    assert figures.accuracy.value == pytest.approx(accuracy_score(targets, called))
    assert figures.hamming_loss.value == pytest.approx(hamming_loss(targets, called))
    assert figures.macro.f1.value == pytest.approx(f1_score(targets, called, average="macro"))
    assert figures.macro.precision.value == pytest.approx(precision_score(targets, called, average="macro"))
    assert figures.macro.recall.value == pytest.approx(recall_score(targets, called, average="macro"))
    assert figures.ranking.average_precision == pytest.approx(
        average_precision_score(targets, probabilities, average="macro")
    )
    for c, one in enumerate(figures.per_class):
        assert one.f1.value == pytest.approx(f1_score(targets[:, c], called[:, c]))
        assert one.average_precision.interval.low <= one.average_precision.value <= one.average_precision.interval.high


def test_no_error_does_not_mean_that_there_can_be_none():
    _, targets = answered(40)

    figures = evaluate_labels(targets.astype(float), targets, targets, NAMES)

    assert figures.hamming_loss.value == 0
    assert figures.hamming_loss.interval.high > 0.05
    assert figures.macro.f1.interval.low < 0.97


def test_a_class_without_images_has_no_figures():
    probabilities, targets = answered(50)
    targets[:, 1] = False

    one = evaluate_labels(probabilities, targets, probabilities >= 0.5, NAMES).per_class[1]

    assert (one.image_count, one.recall.value, one.precision.value, one.f1.value) == (0, None, None, None)


def test_images_of_one_group_widen_the_range():
    probabilities, targets = answered(200)
    groups = [f"g{row // 20}" for row in range(200)]

    alone, together = (
        evaluate_labels(probabilities, targets, probabilities >= 0.5, NAMES, groups=each) for each in (None, groups)
    )

    assert together.units.interval_method == "group-bootstrap"
    assert together.accuracy.interval.low <= alone.accuracy.interval.low


def metadata_of(probabilities, targets, target: OperatingTarget = BEST_F1) -> ModelMetadata:
    points = find_points(probabilities, targets, NAMES, target=target)
    return ModelMetadata(classes=NAMES, framing=Framing(size=(8, 8)), multi_label=True, operating_points=points)


def test_what_is_scored_is_what_is_shipped(tmp_path):
    metadata = metadata_of(*answered(400, seed=1))
    probabilities, targets = answered(60)
    shipped = [decide(row, metadata) for row in probabilities]
    answers = Answers(
        classes=NAMES,
        paths=tuple(f"{row}.png" for row in range(60)),
        truths=tuple(join_names(NAMES, row) for row in targets),
        probabilities=probabilities,
        parts=("test",) * 60,
        digests=("",) * 60,
        groups=("",) * 60,
        near_duplicates=(False,) * 60,
        several=SeveralCalled(shown=targets, called=as_called([one.decision for one in shipped], NAMES)),
    )

    figures = evaluate_parts(answers)["test"]
    document = scored_metrics(answers, {"test": figures}).as_json()
    write_predictions(tmp_path, answers, metadata)

    exact = [
        set(one.decision) == {NAMES[c] for c in np.flatnonzero(row)} for one, row in zip(shipped, targets, strict=True)
    ]
    assert figures.accuracy.value == np.mean(exact)
    assert (document["task"], document["foreign"]) == ("multi-label", None)
    held = evaluate_points(answers, metadata.operating_points)
    assert [one.recall.value for one in held.per_class] == [one.recall.value for one in figures.per_class]
    rows = (tmp_path / "predictions.csv").read_text().splitlines()[1:]
    right = [row.split(",")[5] == row.split(",")[6] for row in rows]
    assert right == exact
    assert any("cat%7Cdog" in row for row in rows)


def test_an_answer_may_be_several_classes_or_none():
    metadata = metadata_of(*answered(400))

    several, none = decide(np.float32([0.9, 0.95, 0.1]), metadata), decide(np.float32([0.01, 0.02, 0.01]), metadata)

    assert several.decision == several.candidates == ("bee", "ant")
    assert (none.decision, none.candidates, none.label) == ((), (), "bee")
    assert several.verdict is None


def test_a_wish_gives_every_class_its_threshold():
    points = find_points(*answered(1_000), NAMES, target=OperatingTarget.of(recall=0.9))

    assert all(point.is_promised and point.found / point.image_count >= 0.9 for point in points.points)


def test_a_class_of_few_images_keeps_an_even_threshold_and_says_so():
    probabilities, targets = answered(100)
    targets[8:, 2] = False

    points = find_points(probabilities, targets, NAMES, target=BEST_F1)

    assert points.points[2].threshold == 0.5
    assert "a better threshold needs 20 images" in describe_points(points)[2]
