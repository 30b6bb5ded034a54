"""What to do next, on the terminal and in the report."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.runs import DrawnStore, make_run
from vidi.evaluation.document import Decisions, LabelFigures, Metrics, Origin
from vidi.evaluation.run_files import read_run, write_metrics
from vidi.evaluation.scores import Estimate
from vidi.evaluation.sections import DataFacts, LabelErrors, SuspectTestLabel
from vidi.report.pages.run import write_report
from vidi.report.words.sentences import next_steps

pytestmark = pytest.mark.usefixtures("undrawn")

RUN = Path("runs/my photos")


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    return replace(read_run(make_run(tmp_path)).metrics, labels=LabelFigures())


def with_sure(metrics: Metrics, share: float) -> Metrics:
    (verdicts,) = (metrics.decisions.verdicts or {}).values()
    verdicts = replace(verdicts, sure_share=Estimate(share, None, 30))
    return replace(metrics, decisions=Decisions(verdicts={"test": verdicts}))


def steps(metrics: Metrics) -> list[str]:
    return [str(step) for step in next_steps(metrics, RUN)]


@pytest.mark.parametrize(("sure", "because"), [(0.0, ", and may keep answers from being sure"), (0.9, "")])
def test_wrong_labels_are_named_with_what_they_cost_and_the_command(metrics: Metrics, sure: float, because: str):
    labels = LabelFigures(label_errors=LabelErrors(images=70, listed=6, left_out=1))
    found = replace(with_sure(metrics, sure), labels=labels)

    assert steps(found) == [f"5 labels may be wrong{because}. Look at them: vidi review 'runs/my photos'"]


def test_doubted_labels_of_test_images_and_a_small_class_are_named(metrics: Metrics):
    doubted = SuspectTestLabel(path="a.png", label="disc", suggested="square")
    origin = Origin(data=DataFacts(source="photos", classes={"disc": 300, "square": 12}))
    found = replace(metrics, labels=LabelFigures(doubted_test_labels=(doubted,)), origin=origin)

    assert steps(found) == [
        "1 label of test images may be wrong; a wrong label counts as a mistake of the model. The report shows them.",
        "“square” has 12 images, the fewest of all classes: add images of it.",
    ]


def test_nothing_found_asks_for_nothing(metrics: Metrics):
    origin = Origin(data=DataFacts(source="photos", classes={"disc": 300, "square": 200}))

    assert steps(replace(metrics, origin=origin)) == []


def test_the_report_shows_a_doubted_test_label_as_such_and_not_as_a_mistake(tmp_path: Path):
    folder = make_run(tmp_path)
    run = read_run(folder)
    wrong = next(answer for answer in run.answers if not answer.is_right)
    doubted = SuspectTestLabel(path=wrong.path, label=wrong.truth, suggested=wrong.predicted)

    write_metrics(folder, replace(run.metrics, labels=LabelFigures(doubted_test_labels=(doubted,))))
    page = write_report(folder, store=DrawnStore()).read_text("utf-8")

    said = f"labelled <strong>{wrong.truth}</strong>, looks like <strong>{wrong.predicted}</strong>"
    assert page.count(said) >= 2  # among the mistakes, and in a list apart
    assert "Labels of test images" in page
