"""The gate's decision in words and as a page: the finding, each rule, each class, and what it rests on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vidi.figures.evaluation import Difference, draw_differences
from vidi.numbers import percent
from vidi.report.pages.compare import about
from vidi.report.pages.render import write_page
from vidi.report.words.text import drawn, points, visible

Document = Mapping[str, Any]  # gate.json, or a part of it
KINDS = {
    "sure": "the error rate of “sure” answers",
    "candidates": "the coverage of the candidates",
    "recall": "the recall",
    "precision": "the precision",
    "false-alarms": "the rate of false alarms",
}


def write_gate_page(path: Path, document: Document) -> None:
    """Write the page of a decision; raises like `write_page`."""
    write_page(path, "gate.html", gate_values(document))


def gate_values(document: Document) -> dict[str, object]:
    """What the template shows."""
    parts = [("test part", document["test"])]
    if document["feedback"] is not None:
        parts.append(("held-back feedback", document["feedback"]))
    return {
        **document,
        "headline": gate_headline(document),
        "rules": rule_lines(document),
        "facts": data_words(document),
        "margin": margin_words(document["test"]),
        "parts": parts,
        "figure": drawn(_draw(parts)),
    }


def _draw(parts: Sequence[tuple[str, Document]]) -> str:
    return draw_differences(
        [
            Difference(visible(name), part["difference"], part["low"], part["high"], part["low"] * part["high"] > 0)
            for name, part in parts
        ],
        second="the new model",
        name="gate",
    )


def gate_headline(document: Document) -> str:
    """The decision in one sentence."""
    if document["passed"]:
        promoted = document["promoted"]
        what = f"is now {promoted['name']}, version {promoted['version']}" if promoted else "passed"
        where = "the test part" if document["test"]["must_gain"] else "feedback, and not clearly worse on the test part"
        return f"The new model {what}: better on {where}."
    return f"The model in use stays: {'; '.join(reason_words(document, code) for code in document['reasons'])}."


def reason_words(document: Document, code: str) -> str:
    """A rule that is not met, one of the `reasons`, in words."""
    match code:
        case "test":
            return "on the test part the new model may be clearly worse"
        case "no-gain":
            return "on the test part the new model is not better"
        case "classes":
            worse = [visible(one["class"]) for one in document["classes"] if one["worse"]]
            return f"the new model is worse at {', '.join(worse)}"
        case "feedback":
            return "on held-back feedback the new model is not better"
        case "no-feedback":
            return "no feedback was held back, so nothing shows that the new model is better"
        case _:
            kinds = [KINDS.get(one["kind"], one["kind"]) for one in document["refuted"]]
            return f"the test images refute what the new model guarantees: {', '.join(kinds)}"


def rule_lines(document: Document) -> list[tuple[str, bool, str]]:
    """Every rule, whether it is met, and the figures."""
    test, feedback, classes = document["test"], document["feedback"], document["classes"]
    worse = [one for one in classes if one["worse"]]
    shown = ", ".join(f"{visible(one['class'])} {points(one['difference'])} of {one['images']:,}" for one in worse)
    none_held = "no feedback was held back"
    return [
        (
            "better on the test part" if test["must_gain"] else "not clearly worse on the test part",
            test["met"],
            part_words(test),
        ),
        (
            "no class over 5 points worse, beyond chance",
            not worse,
            shown or f"{len(classes):,} classes have 30 test images or more; none is worse",
        ),
        *(
            [
                (
                    "better on held-back feedback",
                    feedback is not None and feedback["met"],
                    none_held if feedback is None else part_words(feedback),
                )
            ]
            if feedback is not None or not test["must_gain"]
            else []
        ),
        (
            "guarantees hold",
            not document["refuted"],
            "; ".join(
                f"{KINDS.get(one['kind'], one['kind'])}: {percent(one['measured'], digits=1)} on {one['images']:,} "
                f"images, guaranteed {percent(one['guaranteed'], digits=1)}"
                for one in document["refuted"]
            )
            or "the test images refute none",
        ),
    ]


def part_words(part: Document) -> str:
    """The difference on one part, with its interval, n and the margin."""
    reach = f"95 % interval {points(part['low'])} to {points(part['high'])}, {part['images']:,} images"
    return (
        f"{percent(part['champion'], digits=1)} → {percent(part['candidate'], digits=1)}, "
        f"{points(part['difference'])} points ({reach}; it may reach down to {points(-part['margin'])})"
    )


def margin_words(test: Document) -> str:
    """What the margin of the test part means; empty where the images suffice.

    >>> margin_words({"margin": 0.021, "more_images": 3410})
    'With these test images, a loss of up to 2.1 points could go unnoticed; about 3,400 more would tighten this.'
    """
    if not test["more_images"]:
        return ""
    return (
        f"With these test images, a loss of up to {100 * test['margin']:.1f} points could go unnoticed; "
        f"about {about(test['more_images'])} more would tighten this."
    )


def gate_rows(document: Document) -> list[tuple[str, ...]]:
    """Rows for the terminal, after a row of heads."""
    lines = [(rule, "yes" if is_met else "NO", finding) for rule, is_met, finding in rule_lines(document)]
    return [("rule", "met", "finding"), *lines]


def data_words(document: Document) -> list[str]:
    """What became of the feedback, and what else the reader should know."""
    used = document["feedback_images"]
    learned = sum(used.get(part, 0) for part in ("train", "validation", "calibration"))
    lines = []
    if used:
        aside = f", {used['aside']:,} set aside (check.json lists them)" if used.get("aside") else ""
        counted = document["data"].get("feedback_weight") or 1
        weight = f" (each with a sample weight of {counted:g})" if learned and counted != 1 else ""
        held = f"{used.get('extra', 0):,} held back"
        lines.append(f"feedback: {learned:,} images to learn from{weight}, {held}{aside}")
    if document.get("multi_label"):
        lines.append("an image counts as right where the model is right about every class")
    if document["new_classes"]:
        names = ", ".join(map(visible, document["new_classes"]))
        lines.append(f"new classes: {names}; only held-back feedback tests them")
    if corrected := document.get("corrected_test"):
        before, after = (percent(corrected[f"{one}_as_given"]["value"], digits=1) for one in ("champion", "candidate"))
        lines.append(
            f"people relabelled {corrected['relabelled']:,} test images and left out {corrected['left_out']:,}; by the "
            f"data's own labels: {before} → {after}"
        )
    if document["missing_test_images"]:
        lines.append(f"{document['missing_test_images']:,} images of the test part were left out or are gone")
    return lines
