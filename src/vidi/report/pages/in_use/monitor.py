"""What monitoring found as a page: the finding, curves over time, what changed, and the images that show it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vidi.errors import ImageError
from vidi.figures.in_use import TimeMarks, TimePoint, draw_over_time
from vidi.files import write_whole
from vidi.report.pages.render import render_page
from vidi.report.pictures.thumbnails import Thumbnail, make_thumbnails
from vidi.report.words.in_use.monitor import (
    accuracy_line,
    axis_of,
    caution_line,
    certainty_line,
    change_lines,
    day,
    feedback_line,
    headline,
    left_out_line,
    moment,
    rate_line,
    traffic_line,
)

Document = Mapping[str, Any]
ImageOf = Callable[[str], bytes | None]  # digest → the bytes of a kept image, None where it is not kept
MOST_SHOWN = 60  # images
MOST_CHANGED = 8  # curves of what changed
LEAST_POINTS = 2  # of a curve


class KeptImages:
    """Images that a prediction log keeps, named by their digests."""

    def __init__(self, image_of: ImageOf) -> None:
        self._image_of = image_of

    def read(self, path: str) -> bytes:
        """The bytes of one image.

        Raises:
            ImageError: it is not kept.
        """
        data = self._image_of(path)
        if data is None:
            raise ImageError("not-a-file", "the log does not keep it", "Keep images with --keep-images.")
        return data


def write_monitor_page(path: Path, document: Document, *, image_of: ImageOf | None) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        document: of `vidi monitor --json`.
        image_of: gives kept images; None leaves every picture out.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.
        ResourceError: the page cannot be written.
    """
    shown = document["drift"]["loudest"][:MOST_SHOWN]
    pictures: Mapping[str, Thumbnail] = {}
    if image_of is not None:
        pictures = make_thumbnails(KeptImages(image_of), [one["digest"] for one in shown])
    values = {**page_values(document), "shown": shown, "thumbnails": pictures}
    write_whole(path, render_page("monitor.html", values))


def page_values(document: Document) -> dict[str, object]:
    """What the template shows, the images apart."""
    return {
        "headline": headline(document),
        "model": document["model"],
        "log": document["log"],
        "since": None if document["since"] is None else moment(document["since"]),
        "drift": document["drift"],
        "traffic": document["traffic"],
        "accuracy": document["accuracy"],
        "since_change": document["accuracy_since_change"],
        "feedback": document["feedback"],
        "changes": change_lines(document),
        "accuracy_line": f"{accuracy_line(document['accuracy'])} {caution_line(document)}".strip(),
        "feedback_line": feedback_line(document["feedback"]),
        "traffic_line": traffic_line(document),
        "left_out_line": left_out_line(document),
        "rate_line": f"{rate_line(document)} {certainty_line(document)}".strip(),
        "figures": draw_curves(document),
        "day": day,
        "moment": moment,
    }


def draw_curves(document: Document) -> list[tuple[str, Markup]]:
    """Title and drawing of the estimated accuracy and of each compared quantity over time, what changed first."""
    drift = document["drift"]
    began = drift["began"]
    marks = TimeMarks() if began is None else TimeMarks(began=began["at"], began_after=began["image"] - 1)
    figures: list[tuple[str, str]] = []
    if accuracy := _draw_accuracy(document, marks):
        figures.append(("Estimated accuracy", accuracy))
    for number, curve in enumerate(_chosen(drift)):
        title, axis, is_share = axis_of(curve["kind"], curve["name"])
        points = [TimePoint(one["at"], one["image"], one["value"]) for one in curve["points"]]
        if len(points) >= LEAST_POINTS:
            svg = draw_over_time(
                points,
                usual=curve["usual"],
                marks=marks,
                axis=axis,
                is_share=is_share,
                title=title,
                name=f"curve-{number}",
            )
            figures.append((title, svg))
    return [(title, Markup(svg)) for title, svg in figures]  # noqa: S704 - made here


def _draw_accuracy(document: Document, marks: TimeMarks) -> str:
    parts = [one for one in document["accuracy_over_time"] if one["value"] is not None]
    if len(parts) < LEAST_POINTS:
        return ""
    return draw_over_time(
        [TimePoint(one["at"], one["image"], one["value"], one["low"], one["high"]) for one in parts],
        usual=document["accuracy"]["reference"],
        marks=marks,
        axis="estimated accuracy",
        is_share=True,
        title="Estimated accuracy",
        name="accuracy",
    )


def _chosen(drift: Document) -> list[Document]:
    """The curves that are drawn: what changed, in that order, then those that every page shows."""
    changed = [(one["kind"], one["name"]) for one in drift["changes"]][:MOST_CHANGED]
    curves = {(one["kind"], one["name"]): one for one in drift["curves"]}
    always = [
        of for of in curves if of[0] in ("embeddings", "novelty", "confidence", "qualities") or of[1] == "unknown"
    ]
    return [curves[of] for of in dict.fromkeys([*changed, *always]) if of in curves]
