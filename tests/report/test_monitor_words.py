"""What monitoring found, in words: each state has its sentence, and what cannot be trusted is said to be so."""

import copy
from typing import Any

import pytest

from vidi.report.pages.monitor import accuracy_line, change_line, feedback_line, headline, page_values, terminal_lines
from vidi.report.pages.render import render_page

ESTIMATE = {
    "value": 0.84,
    "low": 0.79,
    "high": 0.88,
    "images": 400,
    "confidence": 0.88,
    "reference": 0.91,
    "distrust": [],
}
FEEDBACK = {
    "images": 0,
    "judged": 0,
    "right": 0,
    "unclear": 0,
    "disagreed": 0,
    "value": None,
    "low": None,
    "high": None,
}
QUIET: dict[str, Any] = {
    "schema": 1,
    "model": {"path": "model.onnx", "id": "ab12", "version": "clothes", "classes": ["<b>hat</b>", "shoes"]},
    "log": "log.sqlite",
    "since": None,
    "traffic": {
        "rows": 400,
        "images": 400,
        "compared": 400,
        "refused": 0,
        "incomplete": 0,
        "first": 0.0,
        "last": 86_400.0,
    },
    "drift": {
        "state": "quiet",
        "rate": 0.01,
        "images": 400,
        "p_value": 1.0,
        "alarmed": None,
        "began": None,
        "evidence": {},
        "changes": [],
        "curves": [],
        "loudest": [],
    },
    "accuracy": ESTIMATE,
    "accuracy_since_change": None,
    "accuracy_over_time": [],
    "feedback": FEEDBACK,
}


def with_drift(**changes: object) -> dict[str, Any]:
    document = copy.deepcopy(QUIET)
    document["drift"] |= changes
    return document


def test_each_state_has_its_headline():
    few = with_drift(state="too few", images=12)
    alarm = with_drift(state="alarm", began={"image": 100, "at": 86_400.0})

    assert headline(few) == "Too few images to judge: 12 different images, 50 are needed."
    assert headline(QUIET) == "No alarm: no change is shown in 400 images."
    assert headline(alarm) == "Alarm: the images have changed since 2 January 1970."


def test_an_estimate_that_cannot_be_trusted_says_so():
    assert "cannot be trusted" in accuracy_line({**ESTIMATE, "distrust": ["novelty"]})
    assert "cannot be trusted" not in accuracy_line(ESTIMATE)


def test_without_a_reference_for_it_the_estimate_stands_alone():
    line = accuracy_line({**ESTIMATE, "reference": None})

    assert "84.0 %" in line
    assert "reference" not in line


def test_few_images_give_no_estimate():
    none = {**ESTIMATE, "value": None, "low": None, "high": None, "distrust": ["few"]}

    assert accuracy_line(none) == "Estimated accuracy: none. There are too few images for an estimate."


def test_feedback_says_who_chose_the_images_and_what_was_left_out():
    line = feedback_line({**FEEDBACK, "images": 12, "judged": 9, "right": 8, "unclear": 3} | SHARE)

    assert "People chose these images" in line
    assert "3 images that nobody could tell" in line


SHARE = {"value": 8 / 9, "low": 0.56, "high": 0.98}


def test_every_kind_of_change_has_words():
    changes = [
        {"kind": "qualities", "name": "sharpness", "before": 12.0, "after": 6.0},
        {"kind": "classes", "name": None, "before": 0.0, "after": 0.3},
        {"kind": "classes", "name": "hat", "before": 0.1, "after": 0.3},
        {"kind": "verdicts", "name": "unknown", "before": 0.01, "after": 0.2},
        {"kind": "confidence", "name": None, "before": 0.9, "after": 0.7},
        {"kind": "embeddings", "name": None, "before": 0.0, "after": 1.3},
        {"kind": "novelty", "name": None, "before": 0.05, "after": 0.09},
        {"kind": "novelty", "name": "embeddings", "before": 0.0, "after": 0.8},
    ]

    lines = [change_line(one) for one in changes]

    assert lines[0].startswith("The images are more blurred")
    assert len(set(lines)) == len(lines)
    assert all(line.endswith(".") for line in lines)


def test_a_change_about_one_median_shows_how_the_values_spread():
    aspect = {"kind": "qualities", "name": "aspect", "before": 1.001, "after": 0.998}
    wide = {"before_quartiles": [0.98, 1.02], "after_quartiles": [0.75, 1.33]}

    line = change_line(aspect | wide)

    assert "narrower" not in line
    assert "0.75 to 1.33" in line
    assert "0.98 to 1.02" in line


@pytest.mark.parametrize(("kind", "name"), [("embeddings", None), ("novelty", None), ("novelty", "embeddings")])
def test_where_the_images_show_something_else_a_new_class_is_thought_of(kind: str, name: str | None):
    change = {"kind": kind, "name": name, "before": 0.0, "after": 1.3}

    assert any("A new class" in line for line in terminal_lines(with_drift(state="alarm", changes=[change])))
    assert not any("A new class" in line for line in terminal_lines(QUIET))


def test_a_curve_of_each_kind_of_novelty_is_drawn():
    points = [{"image": number, "at": float(number), "value": 0.05 + number / 100} for number in (1, 2, 3)]
    curves = [{"kind": "novelty", "name": name, "usual": 0.05, "points": points} for name in (None, "embeddings")]

    titles = [title for title, _ in page_values(with_drift(curves=curves))["figures"]]

    assert titles == ["Strange images", "Distance of the strangest images’ embeddings"]


def test_the_rate_is_stated_whatever_was_found():
    assert any("at most 1 %" in line for line in terminal_lines(QUIET))


def test_a_class_name_cannot_write_into_the_page():
    shown = {"image": 1, "at": 0.0, "digest": "0" * 64, "said": ["<b>hat</b>"], "probability": 0.5, "verdict": None}
    document = with_drift(state="alarm", began={"image": 1, "at": 0.0})

    page = render_page("monitor.html", {**page_values(document), "shown": [shown], "thumbnails": {}})

    assert "<b>hat</b>" not in page
    assert "&lt;b&gt;hat&lt;/b&gt;" in page
