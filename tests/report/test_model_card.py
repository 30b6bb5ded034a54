"""model_card.md: front matter that a parser reads, figures with ranges, names that break nothing."""

import re

import pytest

from tests.report.runs import add_model, make_run
from vidi.errors import DataError
from vidi.report.cards import plain, write_model_card


def card_of(folder, **model):
    return write_model_card(add_model(folder, **model)).read_text("utf-8")


def test_card_begins_with_front_matter_for_hugging_face(tmp_path):
    card = card_of(make_run(tmp_path))

    front = card.split("---\n")[1].splitlines()
    assert 'license: "CC0-1.0"' in front
    assert "pipeline_tag: image-classification" in front
    assert any(re.fullmatch(r'    - \{type: accuracy, name: "Accuracy", value: 0\.\d+\}', line) for line in front)


def test_figures_come_with_their_ranges_and_n(tmp_path):
    card = card_of(make_run(tmp_path))

    assert re.search(r"\| disc \| 10 \| \d+ % \(\d+ % to \d+ %\) \|", card)
    assert "n = 30" in card


def test_card_of_an_unfinished_model_has_no_figures(tmp_path):
    card = card_of(tmp_path, unfinished="training was interrupted")

    assert "**This model is not finished:** training was interrupted." in card
    assert "model-index" not in card


@pytest.mark.fault
def test_hostile_class_name_stays_text(tmp_path):
    classes = ("<script>alert(1)</script>", "a | b `c`", "[x](javascript:1)\n# head")

    card = card_of(make_run(tmp_path, classes=classes), classes=classes)

    assert "<script>" not in card
    assert "\n# head" not in card
    assert "[x](" not in card.replace("\\[x\\](", "")


def test_folder_without_a_model_has_no_card(tmp_path):
    with pytest.raises(DataError, match=r"holds no model\.onnx"):
        write_model_card(make_run(tmp_path))


def test_plain_text_keeps_ordinary_letters():
    assert plain("Köln 42.5 (ok)") == "Köln 42.5 (ok)"
