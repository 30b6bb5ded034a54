"""What the page says about an answer."""

from pathlib import Path

from tests.export.node import asked_of_node

SAY = """
import { labelOf, meaningOf, shareOf } from "./words.js";
const model = { verdicts: { sure: "S.", unsure: "U.", among: "A.", unknown: "N.", never_sure: "nothing is" } };
give(given.map((answer) => [labelOf(answer), shareOf(answer, { classes: ["a", "b", "c"] }), meaningOf(answer, model)]));
"""
SEVERAL = {"multiLabel": True, "label": "b", "probability": 0.4, "verdict": None}


def test_a_model_of_several_labels_says_what_it_decided_or_that_nothing_says_how(tmp_path: Path):
    answers = [
        {**SEVERAL, "decision": ["b", "a"], "predicted": ["b", "a"]},
        {**SEVERAL, "decision": [], "predicted": []},
        {**SEVERAL, "decision": None, "predicted": []},
        {"multiLabel": False, "label": "b", "probability": 0.4, "decision": None, "predicted": ["b"], "verdict": None},
    ]

    said = asked_of_node(SAY, answers, tmp_path)

    assert [one[0] for one in said] == ["b, a", "none of its classes", "not decided", "b"]
    assert [one[1] for one in said] == [
        "2 of 3 classes",
        "0 of 3 classes",
        "most probable: b, 40.0 %",
        "40.0 % probable",
    ]
    assert ["no thresholds" in one[2] for one in said] == [False, False, True, False]


def test_a_verdict_says_how_to_read_the_answer(tmp_path: Path):
    one = {"multiLabel": False, "label": "b", "probability": 0.4, "decision": None, "predicted": ["b"]}
    answers = [
        {**one, "verdict": "unknown", "candidates": ["b", "a"]},
        {**one, "verdict": "unsure", "candidates": ["b", "a"]},
        {**one, "verdict": "unsure", "candidates": ["b"]},
        {**one, "verdict": "sure", "candidates": ["b", "a"]},
    ]

    assert asked_of_node(SAY, answers, tmp_path) == [
        ["strange image", "nearest: b", "N."],
        ["b or a", "", "A. Nothing is."],
        ["b", "", "U. Nothing is."],
        ["b", "", "S."],
    ]
