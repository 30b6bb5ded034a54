"""The page's tables and lists, made from the figures: what stands in each row and cell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from vidi.evaluation.evaluation import ClassFigures, Evaluation
from vidi.files import unescape_path
from vidi.model_file.read import ModelFile
from vidi.report.pages.gallery import MOST_OF_FINDINGS, Cell
from vidi.report.pages.run_files import RunFiles

MOST_CLASSES_IN_MATRIX = 20  # above, a matrix cannot be read; the most frequent mistakes are listed
MOST_CLASS_ROWS = 40  # the weakest stand open, the rest unfold
MOST_CLASS_ROWS_AT_ALL = 1_000  # beyond, metrics.json has them
MOST_OF_ONE = 6  # images of one finding
WORDS = {"problem": "problem", "warning": "look at this", "note": "good to know"}
GRAVITY = ("problem", "warning", "note")


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One cell of the confusion matrix."""

    true: str
    predicted: str
    count: int
    share: float  # of the images of the true class
    is_right: bool
    anchor: str | None  # where its images stand; None where there are none


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of the recipe."""

    name: str
    value: str
    source: str


def matrix_rows(test: Evaluation, cells: Mapping[tuple[str, str], Cell]) -> list[list[MatrixCell]]:
    """The confusion matrix: one row for each true class, one cell for each predicted one."""
    names, rows = [figures.name for figures in test.per_class], []
    for true, counts in zip(
        names, [] if test.mistakes.confusion is None else test.mistakes.confusion.tolist(), strict=True
    ):
        total = sum(counts)
        rows.append(
            [
                MatrixCell(
                    true=true,
                    predicted=predicted,
                    count=number,
                    share=number / total if total else 0.0,
                    is_right=true == predicted,
                    anchor=anchor_of(names, true, predicted) if (true, predicted) in cells else None,
                )
                for predicted, number in zip(names, counts, strict=True)
            ]
        )
    return rows


def has_matrix(test: Evaluation | None) -> bool:
    """Whether the page shows a confusion matrix."""
    return (
        test is not None
        and test.mistakes.confusion is not None
        and bool(test.image_count)
        and len(test.per_class) <= MOST_CLASSES_IN_MATRIX
    )


def anchor_of(names: list[str], true: str, predicted: str) -> str:
    """The id of a cell's images: numbers, so that no class name can break it."""
    return f"cell-{names.index(true)}-{names.index(predicted)}"


def class_rows(test: Evaluation) -> tuple[list[ClassFigures], list[ClassFigures]]:
    """The per-class figures in two lists: those that stand open, and those that unfold.

    Few classes keep the model's order; of many the weakest come first.
    """
    figures = list(test.per_class)
    if len(figures) <= MOST_CLASS_ROWS:
        return figures, []
    figures.sort(key=weakest_first)
    return figures[:MOST_CLASS_ROWS], figures[MOST_CLASS_ROWS:MOST_CLASS_ROWS_AT_ALL]


def weakest_first(figures: ClassFigures) -> tuple[bool, float]:
    """What classes are sorted by: the lowest F1 first, those without test images last."""
    return figures.f1.value is None, figures.f1.value or 0.0


def settings(recipe: Mapping[str, Any]) -> list[Setting]:
    """Every value of the recipe with where it came from; tables inside it are written with dots."""
    sources = recipe.get("sources", {})
    return [
        Setting(name, _as_text(value), str(sources.get(name, "default")))
        for name, value in _flattened({key: value for key, value in recipe.items() if key != "sources"}, "")
    ]


def _flattened(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return " × ".join(_as_text(one) for one in value) if len(value) <= 3 else ", ".join(map(_as_text, value))
    return str(value)


def provenance(files: RunFiles) -> list[tuple[str, str]]:
    """Pairs of a name and a value; what is not known is left out."""
    rows: list[tuple[str, str]] = []
    metrics, model = files.metrics, files.model
    if model is not None:
        metadata = model.metadata
        height, width = metadata.framing.size
        rows += [
            ("Model id", model.model_id),
            ("Version", metadata.run),
            ("Made on", metadata.date),
            ("Author", metadata.author),
            ("License", metadata.license),
            ("License of the starting weights", metadata.weights_license or ""),
            ("File", f"model.onnx, {len(model.data) / 1e6:.1f} MB"),
            ("Digest of the file", model.digest),
            ("Digest of the weights", metadata.weights_digest),
            ("What it looks at", f"images brought to {height} × {width} pixels (height × width) by {_framing(model)}"),
        ]
        rows += [(f"Made with {name}", str(value)) for name, value in sorted((metadata.library_versions or {}).items())]
    uses = metrics.test_uses
    if uses is not None:
        times = (
            "once: this time" if uses == 1 else f"{uses:,} times; each look makes the figures a little less believable"
        )
        rows.append(("These test images were used", times))
    if metrics.origin.data is not None:
        rows.append(("Digest of the data", metrics.origin.data.digest or ""))
        rows.append(("Digest of the test images", metrics.origin.data.test_digest or ""))
    return [(name, value) for name, value in rows if value]


def _framing(model: ModelFile) -> str:
    words = {
        "stretch": "stretching",
        "pad": "fitting them in and padding the rest with grey",
        "crop": "filling the frame and cutting what sticks out",
    }
    return words[model.metadata.framing.mode]


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One finding, and the few of its images that are shown."""

    severity: str
    word: str  # the severity in plain language
    sentence: str
    paths: tuple[str, ...]
    more: int  # images that are not shown


def choose_findings(check: Mapping[str, Any]) -> list[ShownFinding]:
    """The findings of check.json, gravest first, with images as far as there is room."""
    shown, places = [], MOST_OF_FINDINGS
    for finding in sorted(check.get("findings", ()), key=lambda finding: _gravity(finding["severity"])):
        paths = [unescape_path(path) for path in chain.from_iterable(finding["paths"])]
        chosen = tuple(dict.fromkeys(paths))[: min(MOST_OF_ONE, places)]
        places -= len(chosen)
        shown.append(
            ShownFinding(
                severity=finding["severity"],
                word=WORDS.get(finding["severity"], finding["severity"]),
                sentence=finding["message"],
                paths=chosen,
                more=len(set(paths)) - len(chosen),
            )
        )
    return shown


def _gravity(severity: str) -> int:
    return GRAVITY.index(severity) if severity in GRAVITY else len(GRAVITY)
