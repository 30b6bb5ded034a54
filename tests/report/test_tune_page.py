"""The page of a search: the finding first, everything escaped, nothing loaded."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.report.pages import Page
from vidi.report.pages.render import render_page
from vidi.report.pages.tune import headline, hyperparameter_rows, page_values, write_tune_page

HOSTILE = "<script>alert(1)</script>"
USUAL = {"learning_rate": 0.07, "image_size": "32x32", "augmentation": 1.0}
COMPARISON = {
    "images": 200,
    "groups": 190,
    "default_accuracy": 0.8,
    "best_accuracy": 0.86,
    "both_right": 150,
    "only_default_right": 10,
    "only_best_right": 22,
    "difference": 0.06,
    "low": 0.005,
    "high": 0.115,
    "level": 0.95,
    "p_value": 0.05,
    "verdict": "better",
    "images_needed": 180,
}


def trial(number: int, state: str = "done", accuracy: float | None = 0.8, **values: object) -> dict[str, Any]:
    return {
        "number": number,
        "state": state,
        "accuracy": accuracy,
        "loss": 0.5,
        "value": accuracy,
        "epochs": 3.0,
        "seconds": 1.5,
        "cause": "no memory" if state == "failed" else "",
        "values": {**USUAL, **values},
        "marks": {},
    }


def hyperparameter(name: str, low: float = 0.0, high: float = 0.0, choices: list[str] | None = None) -> dict[str, Any]:
    return {"name": name, "usual": USUAL[name], "low": low, "high": high, "is_log": False, "choices": choices or []}


def document(**changes: object) -> dict[str, Any]:
    values: dict[str, Any] = {
        "schema": 2,
        "state": "finished",
        "request": {"study": None},
        "data": {"name": HOSTILE, "classes": 3},
        "images": {"train": 900, "validation": 120, "held_out": 200, "held_out_from": "calibration"},
        "network": "compact",
        "notes": ["each training is short"],
        "trial_seconds": 12.5,
        "seconds_used": 300.0,
        "hyperparameters": [
            hyperparameter("learning_rate", 0.007, 0.42),
            hyperparameter("image_size", choices=["16x16", "32x32"]),
            hyperparameter("augmentation", 0.0, 2.0),
        ],
        "trials": [
            trial(0),
            trial(1, accuracy=0.9, image_size="16x16"),
            trial(2, "failed", None),
            trial(3, "ended early", None),
        ],
        "best_trial": 1,
        "best": {"trial": 1, "values": {**USUAL, "image_size": "16x16"}},
        "recipe": {"network": "compact", "learning_rate": 0.07, "sources": {"learning_rate": HOSTILE}},
        "finding": {
            "is_better": True,
            "sentence": "better by 6.0 points (95 % interval 0.5 to 11.5)",
            "detail": f"200 images; {HOSTILE}",
            "comparison": COMPARISON,
        },
    }
    return {**values, **changes}


def shown(values: dict[str, Any]) -> Page:
    return Page(render_page("tune.html", page_values(values)))


def test_the_finding_stands_first_and_the_figures_beside_it():
    page = shown(document())

    assert "Better by 6.0 points (95 % interval 0.5 to 11.5)." in page.text
    assert re.search(r"Default recipe\s*80\.0\s%", page.text)
    assert re.search(r"Difference\s*\+6\.0", page.text)
    assert "recipe.toml holds its recipe" in page.text.replace("\n", " ")
    assert page.text.index("Better by") < page.text.index("How it went") < page.text.index("What this rests on")


def test_where_no_gain_was_shown_the_page_says_so_and_a_loss_has_a_minus_sign():
    lost = {**COMPARISON, "difference": -0.04, "low": -0.09, "high": 0.01}
    finding = {
        "is_better": False,
        "sentence": "no gain could be shown; keep the default",
        "detail": "",
        "comparison": lost,
    }

    page = shown(document(finding=finding))

    assert "No gain could be shown; keep the default." in page.text
    assert "−4.0" in page.text
    assert "holds the default recipe" in page.text


def test_an_interrupted_search_promises_nothing():
    page = shown(document(finding=None, state="interrupted", best=None, best_trial=None, trials=[]))

    assert "The search was interrupted before the comparison." in page.text
    assert "Better by" not in page.text
    assert "Fewer than two trials were completed." in page.text


def test_names_are_escaped_and_nothing_is_loaded():
    page = shown(document())

    assert page.all("script") == []
    assert HOSTILE in page.text
    assert [link["href"] for link in page.all("a") if not str(link["href"]).startswith("#")] == []
    assert page.all("link") == page.all("img") == []
    assert any("default-src 'none'" in str(meta.get("content")) for meta in page.all("meta"))


def test_every_trial_is_in_the_table_the_best_first_and_those_without_result_last():
    values = page_values(document())

    assert [line["number"] for line, _ in values["lines"]] == [1, 0, 2, 3]  # type: ignore[attr-defined]
    page = shown(document())
    assert "no memory" in page.text
    assert len(page.all("svg")) == 1


def test_figures_have_a_name_and_a_description_for_those_who_hear_them():
    page = shown(document())

    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for figure in page.all("svg"):
        assert set(str(figure["aria-labelledby"]).split()) <= ids


def test_a_dial_that_the_best_trial_left_alone_is_not_marked():
    rate, size, strength = hyperparameter_rows(document())

    assert (size["is_turned"], rate["is_turned"]) == (True, False)
    assert rate["searched"] == "0.007 to 0.42"
    assert strength["usual"] == "1\u00a0×"


@pytest.mark.parametrize("count", [0, 1, 500])
def test_any_number_of_trials_makes_a_page(tmp_path: Path, count: int):
    trials = [trial(number, accuracy=0.5 + number / 2000) for number in range(count)]

    write_tune_page(tmp_path / "tune.html", document(trials=trials, best_trial=None, best=None))

    text = (tmp_path / "tune.html").read_text()
    assert text.count('<th scope="row" class="n">') == min(count, 60)
    assert ("And 440 more." in text) == (count == 500)
    assert len(text) < 300_000


def test_the_headline_is_a_sentence():
    assert headline(document()) == "Better by 6.0 points (95 % interval 0.5 to 11.5)."
