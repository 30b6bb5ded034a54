"""The page's tables, made from the figures: what stands in each row and cell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vidi.evaluation.evaluation import ClassFigures, Evaluation
from vidi.report.pages.gallery import Cell

MOST_CLASSES_IN_MATRIX = 20  # above, a matrix cannot be read; the most frequent mistakes are listed
MOST_CLASS_ROWS = 40  # the weakest stand open, the rest unfold
MOST_CLASS_ROWS_AT_ALL = 1_000  # beyond, metrics.json has them


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
    for true, counts in zip(names, [] if test.confusion is None else test.confusion.tolist(), strict=True):
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
        and test.confusion is not None
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
