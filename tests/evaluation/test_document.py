"""metrics.json and predictions.csv: parts by themselves, foreign classes, and names that can be read back."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from tests.metrics.answers import made_answers
from vidi.errors import ShapeError
from vidi.evaluation.answers import Answers
from vidi.evaluation.document import Metrics, evaluate_parts, scored_metrics
from vidi.evaluation.run_files import write_metrics, write_predictions
from vidi.files import unescape_path
from vidi.images.framing import Framing
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.prediction import decide

NAMES = ("ant", "bee", "cat", "dog")
LIMITS = VerdictLimits(
    basis="calibration", image_count=100, max_error=0.05, level=0.95, sure=0.6, coverage=0.95, candidate=0.3
)
METADATA = ModelMetadata(classes=NAMES, framing=Framing(size=(8, 8)), verdict=LIMITS)


def answers_of(images=80, **changed):
    probabilities, labels = made_answers(images=images)
    columns = {
        "classes": NAMES,
        "paths": tuple(f"{row:03}.png" for row in range(images)),
        "truths": tuple(NAMES[label] for label in labels),
        "probabilities": probabilities.astype(np.float32),
        "parts": ("test",) * images,
        "digests": ("",) * images,
        "groups": ("",) * images,
        "near_duplicates": (False,) * images,
    }
    return Answers(**{**columns, **changed})


def test_extra_part_is_scored_by_itself():
    answers = answers_of(parts=("test",) * 50 + ("extra",) * 30)

    figures = evaluate_parts(answers)

    assert {name: one.image_count for name, one in figures.items()} == {"test": 50, "extra": 30}


def test_test_part_is_also_scored_without_its_near_copies():
    answers = answers_of(near_duplicates=(True,) * 5 + (False,) * 75)

    figures = evaluate_parts(answers)

    assert {name: one.image_count for name, one in figures.items()} == {"test": 80, "test_without_near_duplicates": 75}


def test_images_of_foreign_classes_are_left_out_of_accuracy_and_counted():
    answers = answers_of()
    truths = ("eel",) * 10 + answers.truths[10:]

    figures = evaluate_parts(answers_of(truths=truths))
    document = scored_metrics(answers_of(truths=truths), figures).as_json()

    assert figures["test"].image_count == 70
    assert document["foreign"]["images"] == 10
    assert document["foreign"]["classes"] == {"eel": 10}
    assert document["foreign"]["should_be"] == "unknown"


def test_data_without_a_common_image_has_null_figures(tmp_path):
    answers = answers_of(truths=("eel",) * 80)

    write_metrics(tmp_path, scored_metrics(answers, evaluate_parts(answers)))

    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["test"]["accuracy"]["value"] is None
    assert document["foreign"]["confidence_area"] is None


def test_a_nan_never_reaches_the_file(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_metrics(tmp_path, Metrics(seconds={"training": float("nan")}))


def test_names_are_read_back_from_the_table_exactly(tmp_path):
    names = ["new\nline.png", "tab\t.png", 'quote".png', "=cmd().png", "\u202eright.png", "b\udcffad.png", "100%.png"]
    answers = answers_of(images=len(names), paths=tuple(names))

    write_predictions(tmp_path, answers, METADATA)

    text = (tmp_path / "predictions.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert "\n=" not in text
    assert [unescape_path(row["path"]) for row in rows] == names
    assert "\u202e" not in text


def test_table_holds_what_was_answered(tmp_path):
    answers = answers_of()

    write_predictions(tmp_path, answers, METADATA)

    with (tmp_path / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["predicted"] for row in rows] == [NAMES[index] for index in answers.predicted]
    assert float(rows[0]["p:ant"]) == pytest.approx(float(answers.probabilities[0, 0]), rel=1e-5)
    assert float(rows[0]["label_probability"]) == pytest.approx(
        float(answers.probabilities[0, answers.labels[0]]), rel=1e-5
    )


def test_table_holds_verdict_and_candidates(tmp_path):
    answers = answers_of(classes=("a|b", *NAMES[1:]), truths=("bee",) * 80)
    metadata = replace(METADATA, classes=answers.classes)

    write_predictions(tmp_path, answers, metadata)

    with (tmp_path / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, probabilities in zip(rows, answers.probabilities, strict=True):
        shipped = decide(probabilities, metadata)
        assert row["verdict"] == shipped.verdict == ("sure" if shipped.probability >= 0.6 else "unsure")
        assert tuple(unescape_path(name) for name in row["candidates"].split("|")) == shipped.candidates
    assert any("a%7Cb" in row["candidates"] for row in rows)


def test_promises_are_held_to_each_part_by_itself():
    answers = answers_of(parts=("test",) * 50 + ("extra",) * 30)

    figures = scored_metrics(answers, {}, METADATA).decisions.verdicts

    assert {part: one.sure_share.image_count for part, one in figures.items()} == {"test": 50, "extra": 30}
    assert figures["test"].sure_error.image_count == round(50 * figures["test"].sure_share.value)
    assert scored_metrics(answers, {}).decisions.verdicts is None


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ShapeError, match="80 images have columns"):
        answers_of(truths=("ant",))


def test_groups_reach_the_intervals():
    answers = answers_of(groups=tuple(f"group {row // 8}" for row in range(80)))

    assert evaluate_parts(answers)["test"].units.interval_method == "group-bootstrap"


def clear_answers(*, wrong: int) -> Answers:
    """Sixty answers of a good model, and the first labels of the set changed to the next class."""
    labels = np.arange(60) % len(NAMES)
    probabilities = np.full((60, len(NAMES)), 0.01, np.float32)
    probabilities[np.arange(60), labels] = 0.97
    truths = tuple(NAMES[(label + (row < wrong)) % len(NAMES)] for row, label in enumerate(labels))
    return answers_of(images=60, probabilities=probabilities, truths=truths)


def test_labels_of_test_images_are_doubted_by_a_model_that_was_not_trained_on_them():
    doubted = scored_metrics(clear_answers(wrong=3), {}, METADATA).labels.doubted_test_labels

    assert [(one.path, one.label, one.suggested) for one in doubted] == [
        ("000.png", "bee", "ant"),
        ("001.png", "cat", "bee"),
        ("002.png", "dog", "cat"),
    ]


def test_no_label_is_doubted_where_all_agree_or_the_model_contradicts_too_many():
    assert scored_metrics(clear_answers(wrong=0), {}, METADATA).labels.doubted_test_labels == ()
    assert scored_metrics(clear_answers(wrong=20), {}, METADATA).labels.doubted_test_labels == ()


def test_the_label_of_a_strange_image_is_not_doubted():
    answers = replace(clear_answers(wrong=3), novelty=np.array([9.0, *[0.0] * 59]))

    doubted = scored_metrics(
        answers, {}, replace(METADATA, verdict=replace(LIMITS, novelty=1.0))
    ).labels.doubted_test_labels

    assert [one.path for one in doubted] == ["001.png", "002.png"]
