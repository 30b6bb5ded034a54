"""The comparison of two models as a page: the finding, each class, and the images on which they disagree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vidi.figures.differences import Difference, draw_differences
from vidi.files import escape_path, unescape_path, write_whole
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.report.pages.render import render_page, visible
from vidi.report.pictures.thumbnails import Thumbnail, make_thumbnails
from vidi.report.words.compare import about, by_difference, headline, measures, model_names, nats, points, verdict_words

MOST_OF_A_KIND = 60  # disagreements of one kind that are shown
DEFAULT = DecodeOptions()
TITLES = {
    "only-b-right": "{second} is correct, {first} is not",
    "only-a-right": "{first} is correct, {second} is not",
    "both-wrong": "Both are wrong, in different ways",
}


@dataclass(frozen=True, slots=True)
class ShownDisagreement:
    """One image on which they disagree."""

    path: str
    label: str
    a: str
    a_probability: float
    b: str
    b_probability: float


def write_compare_page(
    path: Path, document: Mapping[str, Any], *, store: ImageStore | None, options: DecodeOptions = DEFAULT
) -> None:
    """Write the page of a comparison from its compare.json.

    Args:
        path: the HTML file.
        document: what was found.
        store: where the images are; None leaves every picture out, and the images are named by path.
        options: how images are decoded; as they were for the comparison.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.
        ResourceError: the page cannot be written.
    """
    pictures: dict[str, Thumbnail] = {}
    if store is not None:
        digests = {unescape_path(row["path"]): row["digest"] for row in document["disagreements"]["shown"]}
        made = make_thumbnails(store, digests, digests=digests, options=options)
        pictures = {escape_path(name): picture for name, picture in made.items()}
    values = {**page_values(document), "thumbnails": pictures, "with_images": store is not None}
    write_whole(path, render_page("compare.html", values))


def page_values(document: Mapping[str, Any]) -> dict[str, object]:
    """What the template shows, the pictures apart."""
    found, classes, (overall, balanced) = document["accuracy"], by_difference(document), measures(document)
    first, second = model_names(document)
    return {
        "headline": headline(document),
        "data": document["data"],
        "several": document.get("task") == "multi-label",
        "models": document["models"],
        "first": first,
        "second": second,
        "found": found,
        "verdict": verdict_words(found, second),
        "both_right": document["both_right"],
        "neither_right": document["neither_right"],
        "for_a_point": None if document["images_for_a_point"] is None else about(document["images_for_a_point"]),
        "figure": Markup(draw_classes(document)),  # noqa: S704 - made here
        "measures": [
            (overall, found, True),
            (balanced, document["balanced_accuracy"], True),
            ("log loss (lower is better)", document["log_loss"], False),
        ],
        "classes": [(one, verdict_words(one, second, among=len(classes))) for one in classes],
        "kinds": [
            (
                kind,
                title.format(first=first, second=second),
                [_shown(row) for row in document["disagreements"]["shown"] if row["kind"] == kind],
                count,
            )
            for kind, title in TITLES.items()
            if (count := document["disagreements"]["counts"][kind])
        ],
        "disagreement_count": sum(document["disagreements"]["counts"].values()),
        "account": document["account"],
        "points": points,
        "nats": nats,
    }


def _shown(row: Mapping[str, Any]) -> ShownDisagreement:
    return ShownDisagreement(
        path=row["path"],
        label=row["label"],
        a=row["a"],
        a_probability=row["a_probability"],
        b=row["b"],
        b_probability=row["b_probability"],
    )


def draw_classes(document: Mapping[str, Any]) -> str:
    """The difference on all images and for each class, as SVG."""
    classes = by_difference(document)
    _, second = model_names(document)
    named = [("all images", document["accuracy"])]
    named += [(visible(one["class"]), one) for one in classes if len(classes) > 1]
    return draw_differences(
        [
            Difference(name, one["difference"], one["low"], one["high"], one["verdict"] != "not shown")
            for name, one in named
        ],
        second=second,
    )
