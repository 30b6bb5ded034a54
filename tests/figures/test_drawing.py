"""Figures that a notebook shows: one image, whole in itself."""

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vidi.figures.bars import draw_class_sizes
from vidi.figures.drawing import side_by_side
from vidi.figures.training import draw_learning_curve

CURVE = draw_learning_curve([1, 2], [1.0, 0.5], [1.1, 0.7], measure="loss")


def test_figures_stand_side_by_side_in_one_image(tmp_path: Path):
    drawing = side_by_side([CURVE, draw_class_sizes({"cat": 3, "dog": 5})])
    drawing.save(tmp_path / "both.svg")

    outer = ElementTree.fromstring((tmp_path / "both.svg").read_bytes())  # noqa: S314  # our own file

    first, second = outer.findall("{http://www.w3.org/2000/svg}svg")
    assert float(second.attrib["x"]) >= float(first.attrib["width"])
    assert float(outer.attrib["width"]) >= float(second.attrib["x"]) + float(second.attrib["width"])
    assert "var(" not in drawing.svg


def test_a_notebook_gets_the_image_and_a_text_for_those_who_hear_it():
    drawing = side_by_side([CURVE])

    shown = re.fullmatch(
        r'<img alt="loss by epoch" src="data:image/svg\+xml;base64,(.*)" style=".*">', drawing._repr_html_()
    )

    assert shown is not None
    assert base64.b64decode(shown.group(1)).decode() == drawing.svg


def test_classes_of_any_script_and_sign_are_named_on_their_bars():
    svg = draw_class_sizes({"<b>": 1, "猫": 1_200, "x" * 40: 30, "$a$ & b": 7})

    root = ElementTree.fromstring(svg)  # noqa: S314  # our own
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]

    assert {"<b>", "猫", "x" * 26 + "…", "$a$ & b", "1,200"} <= set(texts)


def test_of_many_classes_the_largest_are_drawn():
    svg = draw_class_sizes({f"name {number:02}": number for number in range(50)})

    assert "name 49" in svg
    assert "name 19" not in svg
    assert "50 classes, with 0 to 49 images. The 30 largest are drawn." in svg


def test_what_is_no_figure_is_refused():
    with pytest.raises(ValueError, match="viewBox"):
        side_by_side(["<svg></svg>"])
