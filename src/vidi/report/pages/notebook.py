"""What a notebook shows of a run, an evaluation or a check: a few lines, and the report's own figures."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vidi.data.checked import DataCheck
from vidi.detection.locate import Located
from vidi.errors import DataError
from vidi.evaluation.run_files import read_metrics
from vidi.figures.bars import draw_class_sizes
from vidi.figures.drawing import Drawing, side_by_side
from vidi.files import escape_path
from vidi.prediction.as_html import table_as_html
from vidi.report.explanation import picture_as_text
from vidi.report.pages.compare import draw_classes, model_names
from vidi.report.pictures.drawings import draw_history, draw_rankings, draw_test_reliability
from vidi.report.pictures.overlays import draw_boxed
from vidi.report.pictures.thumbnails import Thumbnail
from vidi.report.words.findings import describe_findings
from vidi.report.words.sentences import expectation, first_line, honesty, weakness
from vidi.report.words.text import percent, visible
from vidi.training.loop.progress import EpochRow, read_results

MOST_FINDINGS = 12
MOST_BOXES = 12


def folder_as_html(folder: Path) -> str:
    """A run or an evaluation: the finding, its interval, the weakest class, and where the report is.

    Raises:
        DataError: a file in the folder is damaged.
    """
    metrics = read_metrics(folder)
    test, rows = metrics.parts.test, {}
    if test is not None and test.image_count:
        accuracy = test.accuracy
        interval = f"95 % interval {percent(accuracy.low, digits=1)} to {percent(accuracy.high, digits=1)}"
        rows = {
            "accuracy": f"{percent(accuracy.value, digits=1)}, {interval}, n = {accuracy.image_count:,}",
            "expect": expectation(test),
            "weakest": weakness(test),
            "confidence": honesty(test)[1],
        }
    rows["folder"] = escape_path(folder)
    return table_as_html(first_line(metrics), rows)


def draw_folder(folder: Path) -> Drawing:
    """A run's learning curves and reliability; an evaluation's reliability, ROC and precision-recall.

    Raises:
        DataError: there is nothing to draw yet, or a file in the folder is damaged.
        MissingPackageError: matplotlib is not installed.
    """
    history, test = read_results(folder), read_metrics(folder).parts.test
    figures = [str(figure) for figure in draw_history(history)]
    if test is not None:
        reliability = draw_test_reliability(test)
        figures += [] if reliability is None else [str(reliability)]
        # A run has its learning curves before this: beside them there is room for one figure more.
        figures += [] if history else [str(figure) for figure in draw_rankings(test)]
    if not figures:
        raise DataError(f"{escape_path(folder)} holds nothing to draw", "Train two epochs or more, or score images.")
    return side_by_side(figures)


def draw_located(size: tuple[int, int] | None, boxes: Sequence[Located], picture: Thumbnail | None) -> Drawing:
    """An image with its boxes, numbered.

    Raises:
        DataError: the image could not be used.
    """
    if size is None:
        raise DataError("an image that could not be used has nothing to draw", "Its `error` says why.")
    return side_by_side([draw_boxed(size, boxes, picture)])


def located_as_html(
    path: str, size: tuple[int, int] | None, boxes: Sequence[Located], picture: Thumbnail | None, *, refused: str
) -> str:
    """An image's boxes as a list, and drawn; of one that could not be used why."""
    if size is None:
        return table_as_html(picture_as_text(escape_path(path)), {"refused": refused})
    rows = {
        str(number): f"{visible(box.label)} {percent(box.score)}, {' '.join(f'{value:.0f}' for value in box.box)}"
        for number, box in enumerate(boxes[:MOST_BOXES], start=1)
    }
    more = {"more": f"{len(boxes) - MOST_BOXES:,}"} if len(boxes) > MOST_BOXES else {}
    title = picture_as_text(escape_path(path)) if boxes else f"{picture_as_text(escape_path(path))}: nothing found"
    return table_as_html(title, {**rows, **more}) + draw_located(size, boxes, picture)._repr_html_()


def draw_rows(history: Sequence[EpochRow]) -> Drawing:
    """Loss and accuracy by epoch.

    Raises:
        DataError: fewer than two epochs.
        MissingPackageError: matplotlib is not installed.
    """
    figures = draw_history(history)
    if not figures:
        raise DataError("one epoch makes no curve", "Train two epochs or more.")
    return side_by_side([str(figure) for figure in figures])


def comparison_as_html(document: Mapping[str, Any], folder: Path) -> str:
    """Two models: the outcome, both, and where the page is."""
    about = [f"{model['path']}, model {model['id']}" for model in document["models"].values()]
    models = dict(zip(model_names(document), about, strict=True))
    return table_as_html(document["sentence"], {**models, "folder": escape_path(folder)})


def draw_comparison(document: Mapping[str, Any]) -> Drawing:
    """How far two models are apart, on all images and for each class."""
    return side_by_side([draw_classes(document)])


def check_as_html(title: str, check: DataCheck) -> str:
    """The account of a check and its findings, the gravest first."""
    shown = describe_findings(check)[:MOST_FINDINGS]
    items = "".join(f"<li><b>{escape(one.severity)}</b>: {escape(visible(one.sentence))}</li>" for one in shown)
    more = len(check.findings) - len(shown)
    rest = f"<li>and {more:,} more</li>" if more > 0 else ""
    findings = f"<ul>{items}{rest}</ul>" if items else "<p>nothing to report</p>"
    return table_as_html(visible(title), {"files": check.account.sentence()}) + findings


def draw_sizes(counts: dict[str, int]) -> Drawing:
    """How many images there are of each class."""
    return side_by_side([draw_class_sizes({visible(name): count for name, count in counts.items()})])
