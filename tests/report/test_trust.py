"""What the page says of shortcuts, of parts of the images and of worse images."""

from dataclasses import replace

import numpy as np
import pytest

from tests.draw import draw
from tests.report.pages import Page
from tests.report.runs import KINDS, DrawnStore, add_model, make_run, robustness, shortcuts, slices
from vidi.evaluation.evaluate import evaluate_predictions
from vidi.evaluation.robustness import Curve, NotMeasured, Robustness
from vidi.evaluation.slices import Slice
from vidi.images.framing import Framing
from vidi.model_file.values import from_plain
from vidi.report.pages.run import write_report
from vidi.report.pages.trust import (
    PANELS,
    draw_panels,
    explain_robustness,
    explain_shortcuts,
    explain_slices,
    make_strips,
)
from vidi.report.words.text import NO_BREAK_SPACE

pytestmark = pytest.mark.usefixtures("undrawn")


def plain(text):
    return text.replace(NO_BREAK_SPACE, " ")


def test_the_sentence_names_what_costs_most_and_what_costs_hardly_anything():
    said = plain(explain_robustness(from_plain(Robustness, robustness())))

    assert said.startswith(
        "It loses most under blur: at strength 3 of 5 (2 % of the shorter side) accuracy falls from 90 % to 60 % "
        "(95 % range 55 % to 65 %, n = 100). It loses less than 2 points under noise, JPEG compression, less light"
    )


def test_a_model_that_loses_nowhere_is_said_to_hold():
    assert "It is robust" in explain_robustness(from_plain(Robustness, robustness(lost=0.01)))


def test_of_the_middle_strength_alone_the_same_is_said_and_where_the_others_are_measured():
    whole = from_plain(Robustness, robustness())
    alone = [Curve.of(one.name, one.accuracies[2:3], [2]) for one in whole.curves]
    found = replace(whole, curves=tuple(alone))

    said, strips = (
        plain(explain_robustness(found)),
        make_strips(found, draw("disc", size=(28, 28)), Framing(size=(32, 32))),
    )

    assert said.startswith(plain(explain_robustness(whole)))
    assert said.endswith("time for this strength alone: `vidi evaluate MODEL DATA --robustness` measures all five.")
    assert len(draw_panels(found, strips)) == len(PANELS)
    assert [strips[title].width for title in ("Blur", "Scale")] == [28, 2 * 29 - 1]


@pytest.mark.parametrize(("reason", "said"), [("few", "Too few"), ("time", "no time"), ("off", "not measured")])
def test_what_was_not_measured_is_said_with_its_reason(reason, said):
    assert said in explain_robustness(NotMeasured(reason))
    assert draw_panels(NotMeasured(reason), {}) == ()


def test_the_worst_part_is_named_with_both_rates():
    found = [from_plain(Slice, one) for one in slices()]

    assert plain(explain_slices(found)) == (
        "2 parts of the test images were compared. Accuracy is lower where brightness is “up to 80”: 50 % against "
        "80 % elsewhere."
    )
    assert "None is clearly worse" in explain_slices(found[1:])
    assert explain_slices([]) == ""


def test_plain_numbers_stand_beside_the_model():
    right = np.eye(2)[[0] * 10 + [1] * 10]
    test = evaluate_predictions(right, np.array([0] * 9 + [1] * 10 + [0]), ("cat", "dog"))

    weak, strong = (plain(explain_shortcuts(shortcuts(KINDS, accuracy=value), test)) for value in (0.4, 0.85))

    assert "40 % (chance: 33 %). The model reaches 90 % on the test images. So most" in weak
    assert "nearly as much" in strong
    assert plain(explain_shortcuts(shortcuts(KINDS), None)).endswith("40 % (chance: 33 %).")


@pytest.mark.slow  # over a second of processor time
def test_an_image_stands_beside_each_curve_and_none_where_none_is_wanted(tmp_path):
    run = add_model(make_run(tmp_path / "run"))

    shown = Page(write_report(run, store=DrawnStore()).read_text("utf-8"))
    hidden = Page(write_report(run, store=DrawnStore(), with_images=False).read_text("utf-8"))

    strips, none = (
        [image for image in page.all("img") if "strip-of" in image.get("class", "")] for page in (shown, hidden)
    )
    assert len(strips) == len(PANELS) == 7
    assert none == []
    assert "Does it hold for worse images?" in hidden.text
    assert "<night>" in hidden.text
    assert "the corners alone tell <b> from the rest" in hidden.text


def test_strips_hold_the_image_at_its_steps_side_by_side():
    found = from_plain(Robustness, robustness())

    strips = make_strips(found, draw("disc", size=(28, 28)), Framing(size=(32, 32), shrink_to=(28, 28)))

    assert strips["Blur"].is_small
    assert (strips["Blur"].width, strips["Blur"].height) == (5 * 29 - 1, 28)
    assert strips["Scale"].width == 6 * 29 - 1
