"""The comparison of two models in words and as a page: the finding, each class, and images on which they disagree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidi.figures.evaluation import Difference, draw_differences
from vidi.files import escape_path, unescape_path
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.report.pages.render import write_page
from vidi.report.pictures.thumbnails import Thumbnail, make_thumbnails
from vidi.report.words.text import MINUS, NO_BREAK_SPACE, drawn, percent, points, visible

MOST_OF_A_KIND = 60  # disagreements of one kind that are shown
TITLES = {
    "only-b-right": "{second} is correct, {first} is not",
    "only-a-right": "{first} is correct, {second} is not",
    "both-wrong": "Both are wrong, in different ways",
}
MOST_LINES = 40  # classes in the terminal; the page shows them all
Document = Mapping[str, Any]  # compare.json, or the figures of one measure or class in it


def write_compare_page(path: Path, document: Document, *, store: ImageStore | None, options: DecodeOptions) -> None:
    """Write the page of a comparison from its compare.json; raises like `write_page`.

    Args:
        store: where the images are; None leaves every picture out, and the images are named by path.
        options: how images are decoded; as they were for the comparison.
    """
    pictures: dict[str, Thumbnail] = {}
    if store is not None:
        digests = {unescape_path(row["path"]): row["digest"] for row in document["disagreements"]["shown"]}
        made = make_thumbnails(store, digests, digests=digests, options=options)
        pictures = {escape_path(name): picture for name, picture in made.items()}
    values = {**page_values(document), "thumbnails": pictures, "with_images": store is not None}
    write_page(path, "compare.html", values)


def page_values(document: Document) -> dict[str, object]:
    """What the template shows, the pictures apart."""
    found, classes = document["accuracy"], by_difference(document)
    first, second = model_names(document)
    return {
        **document,
        "headline": headline(document),
        "several": document.get("task") == "multi-label",
        "first": first,
        "second": second,
        "found": found,
        "for_a_point": None if document["images_for_a_point"] is None else about(document["images_for_a_point"]),
        "figure": drawn(draw_classes(document)),
        "measures": measure_rows(document),
        "classes": [(one, verdict_words(one, second, among=len(classes))) for one in classes],
        "kinds": [
            (
                kind,
                title.format(first=first, second=second),
                [row for row in document["disagreements"]["shown"] if row["kind"] == kind],
                count,
            )
            for kind, title in TITLES.items()
            if (count := document["disagreements"]["counts"][kind])
        ],
        "disagreement_count": sum(document["disagreements"]["counts"].values()),
    }


def draw_classes(document: Document) -> str:
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


def headline(document: Document) -> str:
    """The outcome in one sentence."""
    found, (first, second) = document["accuracy"], model_names(document)
    b, a = (percent(found[letter], digits=1) for letter in ("b", "a"))
    measure = "exact match" if document.get("task") == "multi-label" else "accuracy"
    shares = f"{measure} of {second} {b}, of {first} {a}, on {found['images']:,} images"
    reach = f"{points(found['difference'])} points, 95 % interval {points(found['low'])} to {points(found['high'])}"
    match found["verdict"]:
        case "better" | "worse" as verdict:
            return f"{second} is {verdict} than {first}: {shares} ({reach})."
        case _ if not found["only_a_right"] and not found["only_b_right"]:
            both = f"the same {document['both_right']:,} of {found['images']:,} images"
            if document.get("task") == "multi-label":
                return f"No difference: both models are correct for every class of {both}."
            return f"No difference: both models classify {both} correctly."
        case _:
            return f"Not enough evidence that either is better: {shares} ({reach}). {_what_it_takes(document)}"


def distinct_names(first: str, second: str) -> tuple[str, str]:
    """Short names of two models: the last parts of their paths that differ.

    >>> distinct_names("runs/photos", "runs/dense"), distinct_names("old/model.onnx", "new/model.onnx")
    (('photos', 'dense'), ('old', 'new'))
    """
    if first == second:
        return "the first", "the second"
    one, other = ([part for part in path.split("/") if part] for path in (first, second))
    while min(len(one), len(other)) > 1 and one[-1] == other[-1]:
        del one[-1], other[-1]
    a, b = (parts[-2 if len(parts) > 1 and parts[-1] == "model.onnx" else -1] for parts in (one, other))
    return (first, second) if a == b else (a, b)


def model_names(document: Document) -> tuple[str, str]:
    """What the two models are called."""
    models = document["models"]
    return distinct_names(models["A"]["path"], models["B"]["path"])


def _what_it_takes(document: Document) -> str:
    more = document["accuracy"]["more_images"]
    if more is not None:
        return f"If this difference is real, about {about(more)} more images would show it."
    needed = document["images_for_a_point"]
    return f"To show a difference of one point, about {about(needed)} images are needed."


def verdict_words(judged: Document, second: str, *, among: int = 1) -> str:
    """The verdict on all images or on a class.

    Args:
        among: classes that are judged at once; each must then show more than its interval alone asks for.

    >>> verdict_words({"verdict": "better", "more_images": None}, "dense")
    'dense is better'
    >>> verdict_words({"verdict": "not shown", "more_images": 1234, "only_a_right": 3, "only_b_right": 5}, "dense")
    'not enough evidence: about 1,200 more images'
    >>> verdict_words({"verdict": "not shown", "more_images": 40, "low": 0.01, "high": 0.3}, "dense", among=10)
    'not enough evidence: about 40 more images (the interval is for this class alone; 10 are judged)'
    """
    if judged["verdict"] != "not shown":
        return f"{second} is {judged['verdict']}"
    if judged["more_images"] is not None:
        alone = f" (the interval is for this class alone; {among} are judged)" if among > 1 else ""
        more = f"not enough evidence: about {about(judged['more_images'])} more images"
        return more + (alone if _leaves_out_zero(judged) else "")
    return "no difference seen"


def _leaves_out_zero(judged: Document) -> bool:
    low, high = judged.get("low"), judged.get("high")
    return low is not None and high is not None and low * high > 0


def compared_models(document: Document) -> list[str]:
    """Which files are compared, a line each."""
    models = document["models"]
    return [
        f"{name}: {models[letter]['path']}  (model {models[letter]['id']})"
        for name, letter in zip(model_names(document), "AB", strict=True)
    ]


def comparison_rows(document: Document) -> list[tuple[str, ...]]:
    """Rows for the terminal, after a row of heads: all images, then each class, the largest difference first."""
    first, second = model_names(document)
    rows = [("", first, second, "difference", "95 % interval", ""), *measure_rows(document)]
    classes = by_difference(document)
    if len(classes) > 1:
        rows += [
            (
                f"  {visible(one['class'])} ({one['images']:,})",
                *_shares(one),
                verdict_words(one, second, among=len(classes)),
            )
            for one in classes[:MOST_LINES]
        ]
    if len(classes) > MOST_LINES:
        rows.append((f"  and {len(classes) - MOST_LINES:,} more classes", *[""] * 5))
    return [tuple(cell.replace(NO_BREAK_SPACE, " ") for cell in row) for row in rows]


def measure_rows(document: Document) -> list[tuple[str, ...]]:
    """All images by three measures: its name, both models, the difference, its 95 % interval, and the verdict."""
    _, second = model_names(document)
    overall, balanced = "accuracy", "balanced accuracy"
    if document.get("task") == "multi-label":
        overall, balanced = "exact match (all classes)", "accuracy per class, mean"
    return [
        (overall, *_shares(document["accuracy"]), verdict_words(document["accuracy"], second)),
        (balanced, *_shares(document["balanced_accuracy"]), ""),
        ("log loss (lower is better)", *_losses(document["log_loss"]), ""),
    ]


def by_difference(document: Document) -> list[Document]:
    """The classes, those with a verdict first, then by how far apart the models are."""
    return sorted(document["classes"], key=lambda one: (one["verdict"] == "not shown", -abs(one["difference"])))


def about(count: int) -> str:
    """A count to two digits.

    >>> about(1234), about(56)
    ('1,200', '56')
    """
    return f"{int(float(f'{count:.2g}')):,}"


def _shares(figures: Document) -> tuple[str, str, str, str]:
    low, high = points(figures["low"]), points(figures["high"])
    a, b = (percent(figures[letter], digits=1) for letter in ("a", "b"))
    return a, b, points(figures["difference"]), _range(low, high)


def _losses(figures: Document) -> tuple[str, str, str, str]:
    low, high = (nats(figures[end]) for end in ("low", "high"))
    return f"{figures['a']:.3f}", f"{figures['b']:.3f}", nats(figures["difference"]), _range(low, high)


def nats(value: float | None) -> str:
    """A difference of two log losses.

    >>> nats(-0.0123)
    '−0.012'
    """
    return "no data" if value is None else f"{value:+.3f}".replace("-", MINUS)


def _range(low: str, high: str) -> str:
    return "no data" if low == "no data" else f"{low} to {high}"
