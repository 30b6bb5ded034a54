"""Every figure of an evaluation: worked by hand, against scikit-learn, and what it says where there is no data."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from tests.metrics.answers import made_answers
from vidi.errors import ShapeError
from vidi.evaluation.evaluate import evaluate_predictions

NAMES = ("ant", "bee", "cat", "dog")


def width(estimate):
    return estimate.interval.high - estimate.interval.low


def test_small_case_worked_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])

    figures = evaluate_predictions(probabilities, np.array([0, 0, 1, 1]), ("cat", "dog")).as_json()

    assert figures["accuracy"]["value"] == 0.75
    assert figures["balanced_accuracy"]["value"] == 0.75
    assert figures["confusion"] == [[2, 0], [1, 1]]
    assert figures["confused_pairs"] == [{"true": "dog", "predicted": "cat", "n": 1}]
    assert figures["per_class"][0]["precision"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["macro_f1"]["value"] == pytest.approx((4 / 5 + 2 / 3) / 2, abs=1e-6)
    assert figures["most_common_share"] == 0.5


def test_figures_agree_with_scikit_learn():
    probabilities, labels = made_answers()
    predicted = probabilities.argmax(axis=1)

    evaluation = evaluate_predictions(probabilities, labels, NAMES)

    assert evaluation.accuracy.value == pytest.approx(reference.accuracy_score(labels, predicted))
    assert evaluation.macro.recall.value == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
    assert evaluation.macro.f1.value == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
    assert evaluation.macro.precision.value == pytest.approx(
        reference.precision_score(labels, predicted, average="macro")
    )
    assert evaluation.log_loss.value == pytest.approx(reference.log_loss(labels, probabilities))
    assert evaluation.ranking.roc_area == pytest.approx(
        reference.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    )


def test_untested_class_is_null_in_the_json_and_no_token_is_nan():
    probabilities, labels = made_answers(images=60)
    kept = labels != 2

    text = json.dumps(evaluate_predictions(probabilities[kept], labels[kept], NAMES).as_json(), allow_nan=False)

    untested = json.loads(text)["per_class"][2]
    assert untested["images"] == 0
    assert {untested[name]["value"] for name in ("precision", "recall", "f1", "roc_area", "average_precision")} == {
        None
    }
    assert "NaN" not in text


def test_macro_figures_are_means_over_the_tested_classes():
    probabilities, labels = made_answers(images=60)
    kept = labels != 2

    evaluation = evaluate_predictions(probabilities[kept], labels[kept], NAMES)

    recalls = [figures.recall.value for figures in evaluation.per_class if figures.image_count]
    assert evaluation.macro.recall.value == pytest.approx(np.mean(recalls))


def test_no_images_give_no_figures():
    figures = evaluate_predictions(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), ("cat", "dog")).as_json()

    assert figures["accuracy"] == {"value": None, "low": None, "high": None, "n": 0}
    assert figures["calibration"] == {"error": None, "perfect_low": None, "perfect_high": None, "bins": []}
    json.dumps(figures, allow_nan=False)


def test_one_image_is_enough_for_an_answer_without_nan():
    figures = evaluate_predictions(np.array([[0.9, 0.1]]), np.array([0]), ("cat", "dog")).as_json()

    assert figures["accuracy"]["value"] == 1.0
    assert figures["accuracy"]["low"] < 0.3
    json.dumps(figures, allow_nan=False)


def test_every_estimate_lies_in_its_interval():
    probabilities, labels = made_answers()

    evaluation = evaluate_predictions(probabilities, labels, NAMES)

    estimates = [
        evaluation.accuracy,
        evaluation.macro.recall,
        evaluation.macro.precision,
        evaluation.macro.f1,
        evaluation.log_loss,
        evaluation.brier_loss,
        *evaluation.top_k.values(),
        *(figures.f1 for figures in evaluation.per_class),
        *(figures.roc_area for figures in evaluation.per_class),
        *(figures.average_precision for figures in evaluation.per_class),
    ]
    assert all(one.interval.low <= one.value <= one.interval.high for one in estimates)
    assert all(one.interval.low < one.interval.high for one in estimates)


def test_perfect_answers_are_not_called_certain():
    evaluation = evaluate_predictions(np.eye(2)[[0, 1] * 20] * 0.98 + 0.01, np.array([0, 1] * 20), ("cat", "dog"))

    assert evaluation.accuracy.value == 1.0
    for estimate in (
        evaluation.accuracy,
        evaluation.macro.recall,
        evaluation.macro.f1,
        evaluation.macro.precision,
    ):
        assert 0.8 < estimate.interval.low < 0.95
        assert estimate.interval.high == 1.0


def test_images_of_one_group_widen_the_intervals_and_are_counted():
    probabilities, labels = made_answers(images=50)
    probabilities, labels = np.repeat(probabilities, 8, axis=0), np.repeat(labels, 8)

    alone = evaluate_predictions(probabilities, labels, NAMES)
    together = evaluate_predictions(probabilities, labels, NAMES, groups=[row // 8 for row in range(400)])

    assert (together.units.interval_method, together.units.group_count) == ("group-bootstrap", 50)
    assert width(together.accuracy) > 2 * width(alone.accuracy)
    assert width(together.per_class[0].recall) > 2 * width(alone.per_class[0].recall)


def test_perfect_answers_on_few_groups_are_not_called_certain():
    evaluation = evaluate_predictions(
        np.eye(2)[[0, 1] * 40] * 0.98 + 0.01, np.array([0, 1] * 40), ("cat", "dog"), groups=[n // 8 for n in range(80)]
    )

    assert evaluation.accuracy.interval.low == pytest.approx(0.7225, abs=1e-4)  # Wilson for 10 of 10


def test_order_of_images_changes_no_point_estimate():
    probabilities, labels = made_answers()
    order = np.random.default_rng(3).permutation(len(labels))

    first = evaluate_predictions(probabilities, labels, NAMES)
    second = evaluate_predictions(probabilities[order], labels[order], NAMES)

    assert second.macro.f1.value == pytest.approx(first.macro.f1.value)
    assert second.calibration.error == pytest.approx(first.calibration.error)


def test_same_seed_gives_the_same_json():
    probabilities, labels = made_answers()

    first, second = (evaluate_predictions(probabilities, labels, NAMES, seed=4).as_json() for _ in range(2))

    assert first == second


@pytest.mark.slow  # resamples many classes
def test_many_classes_give_pairs_instead_of_a_matrix():
    probabilities, labels = made_answers(images=900, classes=300)

    figures = evaluate_predictions(probabilities, labels, [f"kind {number}" for number in range(300)]).as_json()

    assert figures["confusion"] is None
    assert len(figures["confused_pairs"]) == 50
    assert len(figures["curves"]) == 20


def test_names_and_columns_must_match():
    probabilities, labels = made_answers(images=10)

    with pytest.raises(ShapeError, match="2 class names for 4 columns"):
        evaluate_predictions(probabilities, labels, ("cat", "dog"))


@pytest.mark.integration  # 60 evaluations: coverage cannot be seen in fewer
def test_balanced_accuracy_interval_holds_the_truth_about_95_times_in_100():
    held = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        labels = np.repeat([0, 1], [60, 30])
        right = random.random(90) < np.where(labels == 0, 0.95, 0.85)
        probabilities = np.eye(2)[np.where(right, labels, 1 - labels)] * 0.8 + 0.1
        interval = evaluate_predictions(probabilities, labels, ("cat", "dog")).macro.recall.interval
        held.append(interval.low <= 0.9 <= interval.high)

    assert np.mean(held) >= 0.88


def test_many_groups_are_resampled_and_few_take_the_closed_form():
    probabilities, labels = made_answers(images=400)

    many = evaluate_predictions(probabilities, labels, NAMES, groups=[row // 2 for row in range(400)])
    few = evaluate_predictions(probabilities, labels, NAMES, groups=[row // 40 for row in range(400)])

    # Ten groups of forty count as ten images: Wilson's interval for 10 is 0.5 wide where the share is a half.
    assert width(many.accuracy) < 0.15
    assert width(few.accuracy) > 0.35


def test_one_pair_of_copies_among_few_images_hardly_changes_an_interval():
    probabilities, labels = made_answers(images=24)

    alone = evaluate_predictions(probabilities, labels, NAMES)
    paired = evaluate_predictions(probabilities, labels, NAMES, groups=[0, 0, *range(1, 23)])

    assert width(paired.accuracy) == pytest.approx(width(alone.accuracy), rel=0.1)
    assert width(paired.per_class[1].recall) < 1


@pytest.mark.integration  # 80 evaluations: coverage cannot be seen in fewer
def test_interval_of_grouped_images_holds_the_truth_about_95_times_in_100():
    held = []
    for seed in range(80):
        random = np.random.default_rng(seed)
        right = np.repeat(random.random(60) < 0.85, 4)  # the four images of a group stand or fall together
        probabilities = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
        labels = np.zeros(240, dtype=np.int64)
        interval = evaluate_predictions(
            probabilities, labels, ("cat", "dog"), groups=[row // 4 for row in range(240)]
        ).accuracy.interval
        held.append(interval.low <= 0.85 <= interval.high)

    assert np.mean(held) >= 0.88


def test_few_images_make_few_bins():
    probabilities, labels = made_answers(images=35)

    bins = evaluate_predictions(probabilities, labels, NAMES).calibration.bins

    assert [one.image_count for one in bins] == [12, 12, 11]
