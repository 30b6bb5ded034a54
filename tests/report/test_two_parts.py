"""Test images from elsewhere: said first, on the terminal, in the report and in the model card."""

import pytest

from tests.report.runs import DrawnStore, add_model, make_run
from tests.report.two_parts import differing_run, refuted, two_parts
from vidi.evaluation.document import Metrics
from vidi.report.cards import write_model_card
from vidi.report.pages.run import write_report
from vidi.report.words.sentences import first_line, read_first, reservations
from vidi.report.words.text import NO_BREAK_SPACE

pytestmark = pytest.mark.usefixtures("undrawn")

FIRST = (
    "The test images differ from the training images: accuracy 48.1 % on 30 test images, 87.0 % on 80 held-out "
    "training images."
)


def plain(text):
    return text.replace(NO_BREAK_SPACE, " ")


def test_the_first_line_says_by_how_much_the_parts_differ():
    assert plain(first_line(Metrics.from_json({"two_parts": two_parts()}))) == FIRST


def test_reservations_name_refuted_guarantees_classes_features_and_what_to_do():
    said = list(map(plain, reservations(Metrics.from_json({"two_parts": two_parts(), "refuted": refuted()}))))

    assert said[:3] == [
        "Refuted by the test: at most 5 % of sure answers are wrong. Measured: 35.0 % (of 120 sure answers to test "
        "images).",
        "Refuted by the test: the true class is among the candidates in at least 95 % of cases. Measured: 66.0 % (of "
        "314 test images).",
        "Refuted by the test: recall of at least 90 % for “disc”. Measured: 50.0 % (of 10 test images of it).",
    ]
    assert said[3].endswith("in less than 1 of 10,000 cases.")
    assert said[4] == "Lower beyond chance: “disc” 20 % (held out 80 %)."
    assert said[5].startswith("Features alone separate test images from training images: AUC 0.98,")
    assert said[6].startswith("What to do: give images of one source")


def test_where_the_parts_do_not_differ_nothing_of_it_is_said():
    quiet = Metrics.from_json({"two_parts": {**two_parts(), "differs": False}})

    assert reservations(quiet) == ()
    assert first_line(quiet) == first_line(Metrics())


@pytest.mark.slow("draws every figure of a report")
def test_the_report_says_it_first_shows_the_loudest_images_and_withholds_the_advice_of_more(tmp_path):
    run = add_model(differing_run(make_run(tmp_path), loudest=("disc/000.png", "square/001.png")))

    page = plain(write_report(run, store=DrawnStore()).read_text("utf-8"))

    assert f"<h1>{FIRST}</h1>" in page
    assert "come from the same source" not in page
    assert 'id="more"' not in page
    assert page.count("<strong>refuted</strong>") == 3
    section = page.partition('id="two-parts"')[2].partition("</section>")[0]
    assert section.count("<img") == 2
    assert "<strong>lower</strong>" in section


@pytest.mark.slow("draws every figure of a report")
def test_a_report_of_parts_from_one_source_says_so_and_gives_its_advice(tmp_path):
    page = write_report(add_model(make_run(tmp_path)), store=DrawnStore()).read_text("utf-8")

    assert "come from the same source" in page
    assert 'id="more"' in page
    assert 'id="two-parts"' not in page
    assert "refuted" not in page


def test_the_model_card_says_it_first_and_not_that_the_parts_are_of_one_source(tmp_path):
    card = plain(write_model_card(add_model(differing_run(make_run(tmp_path)))).read_text("utf-8"))

    body = card.split("---\n")[2]
    assert FIRST in body.splitlines()[2]
    assert "Refuted by the test: at most 5 % of sure answers are wrong" in body
    assert "come from the same source" not in card
    assert "differ from its training images" in card


def test_the_terminal_gets_the_same_lines(tmp_path):
    lines, _ = read_first(differing_run(make_run(tmp_path)))

    assert plain(lines[0]) == FIRST
    assert len(lines) == 8
