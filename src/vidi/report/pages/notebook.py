"""What a notebook shows of a run, an evaluation or a check: a few lines, and the report's own figures."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from vidi.data.checked import DataCheck
from vidi.errors import DataError
from vidi.evaluation.run_files import read_metrics
from vidi.figures.drawing import Drawing, side_by_side
from vidi.files import escape_path
from vidi.prediction.as_html import table_as_html
from vidi.report.pictures.drawings import draw_history, draw_rankings, draw_test_reliability
from vidi.report.words.sentences import expectation, first_line, honesty, weakness
from vidi.report.words.text import percent, visible
from vidi.training.loop.progress import EpochRow, read_results

MOST_FINDINGS = 12


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


def check_as_html(title: str, check: DataCheck) -> str:
    """The account of a check and its findings, the gravest first."""
    shown = check.findings[:MOST_FINDINGS]
    items = "".join(f"<li><b>{escape(one.severity)}</b>: {escape(visible(one.sentence))}</li>" for one in shown)
    more = len(check.findings) - len(shown)
    rest = f"<li>and {more:,} more</li>" if more > 0 else ""
    findings = f"<ul>{items}{rest}</ul>" if items else "<p>nothing to report</p>"
    return table_as_html(visible(title), {"files": check.account.sentence()}) + findings
