"""Figures: the same every time, readable on any ground, and deaf to tricks in names."""

import re
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure

from vidi.figures.drawing import legend_above
from vidi.figures.evaluation import (
    draw_box_precision,
    draw_ranking,
    draw_reliability,
    draw_risk_coverage,
)
from vidi.figures.training import draw_learning_curve, draw_more_images, draw_search_history

BINS = [(0.5 + 0.1 * step, 0.45 + 0.11 * step, 0.4 + 0.1 * step, 0.6 + 0.1 * step) for step in range(5)]
REACH = [(20, 0.4, 0.35, 0.45), (100, 0.22, 0.2, 0.25), (200, 0.19, 0.15, 0.22)]
CURVES = {"cat": ([0, 0.2, 1], [0, 0.9, 1]), "dog": ([0, 0.4, 1], [0, 0.6, 1]), "eel": ([0, 1], [0, 1])}


def learning():
    return draw_learning_curve([1, 2, 3], [0.9, 0.5, 0.3], [1.0, None, 0.5], measure="loss", best_epoch=3)


def all_figures():
    return {
        "loss": learning(),
        "accuracy": draw_learning_curve([1, 2], [0.5, 0.9], [0.4, 1.0], measure="accuracy"),
        "reliability": draw_reliability(BINS),
        "more-images": draw_more_images([20, 40, 80], [0.4, 0.3, 0.25], REACH, images=100),
        "roc": draw_ranking("roc", CURVES, named=("cat", "dog"), points={}, name="roc"),
        "history": draw_search_history([0, 1, 4], [0.5, 0.7, 0.6], default=0.5),
        "precision-recall": draw_ranking(
            "precision-recall", CURVES, named=("cat",), points={}, name="precision-recall"
        ),
        "boxes": draw_box_precision({"overlap 0.5": ([0, 0.5, 1], [1, 0.8, 0])}, title="cat", name="boxes"),
    }


@pytest.fixture(scope="module")
def drawn():
    return all_figures()


@pytest.mark.slow  # over a second of processor time
def test_same_figure_is_the_same_bytes():
    assert all_figures() == all_figures()


def test_figure_is_one_svg_element_without_date_style_sheet_or_address(drawn):
    for svg in drawn.values():
        ElementTree.fromstring(svg)  # noqa: S314  drawn by ourselves
        assert svg.startswith("<svg ")
        assert "<style" not in svg
        assert "<metadata" not in svg
        assert set(re.findall(r"https?://[^\"']*", svg)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }


def test_figures_share_no_id(drawn):
    ids = [one for svg in drawn.values() for one in re.findall(r'\bid="([^"]*)"', svg)]

    assert len(ids) == len(set(ids))


def test_every_reference_leads_to_an_id_of_its_figure(drawn):
    for svg in drawn.values():
        ids = set(re.findall(r'\bid="([^"]*)"', svg))
        assert set(re.findall(r"(?:href=\"#|url\(#)([^\")]*)", svg)) <= ids


def test_colours_come_from_the_page_and_nothing_fills_the_ground(drawn):
    for svg in drawn.values():
        assert "#0102" not in svg
        assert "#ffffff" not in svg
        assert "var(--ink" in svg


def test_figure_has_a_title_and_a_description_for_those_who_hear_it(drawn):
    for name, svg in drawn.items():
        assert f'role="img" aria-labelledby="{name}-title {name}-text"' in svg
        assert re.search(rf'<desc id="{name}-text">[^<]{{20,}}</desc>', svg)


def test_no_name_of_a_curve_lies_on_the_curves():
    figure = Figure(figsize=(4.5, 3.9), layout="constrained")
    axes = figure.add_subplot()
    for label in ("perfectly calibrated, 95 %", "this model"):
        axes.plot([0.9, 1], [1, 1], label=label)
    legend_above(axes)
    figure.draw_without_rendering()

    (names,) = figure.legends
    assert names.get_window_extent().y0 >= axes.get_window_extent().y1
    assert names.get_window_extent().x1 <= figure.bbox.x1


def test_a_mistake_among_the_first_answers_does_not_stretch_the_error_rates():
    risk = [1.0, *(1 / count for count in range(2, 101))]
    answered = [count / 100 for count in range(1, 101)]

    svg = draw_risk_coverage(answered, risk, images=100, sure=None, max_error=0.05)

    texts = re.findall(r">([^<]*)</text>", svg)
    rates = texts[texts.index("images answered, most confident first") + 1 : texts.index("error rate")]
    assert max(float(rate.removesuffix(" %")) for rate in rates) <= 10


def test_text_stays_text():
    assert ">epoch</text>" in learning()


@pytest.mark.parametrize("class_name", ["$x$ & <script>alert(1)</script>", "100 % \\frac{", "\u202e", "猫"])
@pytest.mark.fault
def test_class_name_cannot_break_out_of_a_figure(class_name):
    svg = draw_ranking("roc", {class_name: ([0, 1], [0, 1])}, named=(class_name,), points={}, name="roc")

    assert "<script" not in svg
    ElementTree.fromstring(svg)  # noqa: S314  drawn by ourselves


def test_no_setting_of_matplotlib_is_changed_for_others():
    before = dict(matplotlib.rcParams)

    all_figures()

    assert dict(matplotlib.rcParams) == before
