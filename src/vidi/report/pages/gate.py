"""The gate's decision as a page: the finding, each rule, each class, and what it rests on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vidi.figures.differences import Difference, draw_differences
from vidi.files import write_whole
from vidi.report.pages.render import render_page, visible
from vidi.report.words.compare import points
from vidi.report.words.gate import data_words, gate_headline, margin_words, rule_lines


def write_gate_page(path: Path, document: Mapping[str, Any]) -> None:
    """Write the page of a decision from its gate.json.

    Args:
        path: the HTML file.
        document: what was found and decided.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.
        ResourceError: the page cannot be written.
    """
    write_whole(path, render_page("gate.html", gate_values(document)))


def gate_values(document: Mapping[str, Any]) -> dict[str, object]:
    """What the template shows."""
    parts = [("test part", document["test"])]
    if document["feedback"] is not None:
        parts.append(("held-back feedback", document["feedback"]))
    return {
        **document,
        "headline": gate_headline(document),
        "rules": rule_lines(document),
        "facts": data_words(document),
        "margin": margin_words(document["test"], "test images"),
        "parts": parts,
        "figure": Markup(_draw(parts)),  # noqa: S704 - made here
        "points": points,
    }


def _draw(parts: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return draw_differences(
        [
            Difference(visible(name), part["difference"], part["low"], part["high"], part["low"] * part["high"] > 0)
            for name, part in parts
        ],
        second="the new model",
        name="gate",
    )
