"""The page's `decide` answers as Python's does, over models and probabilities of every kind."""

from collections import Counter
from pathlib import Path

import pytest

from tests.counts import count
from tests.export.decide_cases import drawn_cases
from tests.export.node import asked_of_node

REPLAY = """
import { decide } from "./decide.js";
import { describeAnswer } from "./words.js";
give(given.map(({metadata, probabilities, novelty}) => {
  const answer = decide(Float32Array.from(probabilities), metadata, novelty);
  return { ...answer, described: describeAnswer(answer) };
}));
"""


def test_the_page_decides_and_describes_as_python_does(tmp_path: Path):
    cases = [case.as_json() for case in drawn_cases(count(small=2_000, check=400))]

    made = asked_of_node(REPLAY, cases, tmp_path)

    assert [(case, answer) for case, answer in zip(cases, made, strict=True) if answer != case["answer"]][:1] == []


@pytest.mark.slow  # makes the whole table
def test_the_table_holds_every_kind_of_model_and_answer():
    cases = [case.as_json() for case in drawn_cases(2_000)]
    verdicts = Counter(case["answer"]["verdict"] for case in cases)
    rankings = Counter((case["metadata"]["verdict"] or {"ranking": None})["ranking"] for case in cases)
    points = [case["metadata"]["operating_points"] for case in cases if case["metadata"]["operating_points"]]

    assert min(verdicts[word] for word in ("sure", "unsure", "unknown", None)) > 100
    assert min(rankings[word] for word in ("probability", "margin", "normalised-logit", "all-classes", None)) > 100
    assert min(sum(point["costs"] is not None for point in points), sum(bool(p["positive"]) for p in points)) > 50
    assert sum(len(case["answer"]["candidates"]) > 1 for case in cases) > 100
    assert sum(not case["answer"]["predicted"] for case in cases) > 50


def test_the_regions_of_one_class_are_held_against_the_others(tmp_path: Path):
    by_label = {"a": [[1.0, 2.0]], "b": [[0.0, 1.0]], "c": [[4.0, 1.0]]}
    script = """
    import { ranked } from "./decide.js";
    import { evidenceFor } from "./overlay.js";
    const evidence = {byLabel: given};
    give([evidenceFor(evidence, "a", false), evidenceFor(evidence, "a", true), ranked(Float32Array.of(0.2, 0.5, 0.2))]);
    """

    assert asked_of_node(script, by_label, tmp_path) == [[[-1.0, 1.0]], [[1.0, 2.0]], [1, 0, 2]]
