"""All hosts give the answers of Python about images of every kind, and the bench finds those that do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench.agreeing.answers import HostAnswer, differences, refused
from bench.agreeing.cells import cell
from bench.agreeing.samples import KINDS, make_samples
from bench.agreement import PAGE, ask_all, document_of, find_browser

from tests.model_file.test_golden import judged, limits
from tests.model_file.tiny import tiny_metadata
from vidi.prediction.predictor import Predictor

METADATA = replace(tiny_metadata(), verdict=limits(sure=0.8, candidate=0.2, novelty=5.0))
CLASSES = METADATA.classes


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(judged(tmp_path_factory.mktemp("model") / "shapes.onnx", novelty=3.0).path)


@pytest.mark.slow  # starts a server, a command and, where there is one, a browser
def test_every_host_gives_the_answers_of_python(predictor: Predictor, tmp_path: Path):
    samples = make_samples(3, tuple(kind for kind in KINDS if kind != "12 megapixels"))

    document = document_of(predictor, samples, ask_all(predictor, samples, tmp_path, find_browser()))

    gates = {name: gate for name, gate in document["gates"].items() if name != "every verdict occurs"}
    assert [name for name, gate in gates.items() if not gate["met"]] == [], (document["other"], gates)
    assert len(document["hosts"]) >= 7
    for host, kinds in document["hosts"].items():
        assert sum(one["n"] for one in kinds.values()) == len(samples), host
    if PAGE not in document["hosts"]:
        pytest.skip("needs:chromium")


def test_there_are_500_images_of_every_kind_that_hosts_could_read_differently():
    assert sum(count for count, _, _ in KINDS.values()) == 500
    assert [one.data for one in make_samples(2, ("grey",))] == [one.data for one in make_samples(2, ("grey",))]


def answer(first: float, second: float, **changes: object) -> HostAnswer:
    usual = HostAnswer(
        CLASSES[0], "unsure", CLASSES[:2], np.array([first, second, 1 - first - second], np.float32), 1.0
    )
    return replace(usual, **changes)


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        (answer(0.6, 0.3), answer(0.6, 0.3), None),
        (answer(0.405, 0.4), answer(0.4, 0.405, label=CLASSES[1]), ("label", True)),
        (answer(0.6, 0.3), answer(0.3, 0.6, label=CLASSES[1]), ("label", False)),
        (answer(0.795, 0.205), answer(0.805, 0.195, verdict="sure"), ("verdict", True)),
        (answer(0.7, 0.3), answer(0.7, 0.3, verdict="sure"), ("verdict", False)),
        (answer(0.7, 0.3, novelty=4.98), answer(0.7, 0.3, verdict="unknown", novelty=5.01), ("verdict", True)),
        (answer(0.7, 0.3, novelty=4.8), answer(0.7, 0.3, verdict="unknown", novelty=5.01), ("verdict", False)),
        (answer(0.6, 0.205), answer(0.6, 0.195, candidates=CLASSES[:1]), ("candidates", True)),
        (answer(0.6, 0.3), answer(0.6, 0.3, candidates=CLASSES[:1]), ("candidates", False)),
        (answer(0.6, 0.3), refused("broken"), ("refusal", False)),
        (refused("broken"), refused("truncated"), ("refusal", False)),
    ],
)
def test_another_answer_is_told_and_may_only_be_near_a_tie_or_a_limit(
    expected: HostAnswer, found: HostAnswer, told: tuple[str, bool] | None
):
    said = list(differences({"a": expected}, {"a": found}, METADATA))

    assert [(one.what, one.is_near) for one in said] == ([] if told is None else [told])


def test_a_cell_counts_what_was_answered():
    expected = {"a": answer(0.6, 0.3), "b": answer(0.6, 0.3), "c": answer(0.6, 0.3)}
    found = {"a": answer(0.58, 0.3), "b": answer(0.3, 0.6, label=CLASSES[1])}

    one = cell(expected, found, ["a", "b", "c"], list(differences(expected, found, METADATA)))

    assert one == {
        "n": 2,
        "largest_difference": pytest.approx(0.3),
        "other_label": 1,
        "other_verdict": 0,
        "other_candidates": 0,
        "other_refusal": 0,
        "near": 0,
    }
    assert cell(expected, {}, ["a"], []) is None
