"""What the page of a run shows: its tables and lists, and at most 300 images, the most telling first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from vidi.evaluation.evaluate import ClassFigures, Evaluation
from vidi.evaluation.run_files import AnsweredImage, RunFiles
from vidi.files import unescape_path
from vidi.prediction.words import describe_answer
from vidi.report.words.text import visible

MOST_CLASSES_IN_MATRIX = 20  # above, a matrix cannot be read; the most frequent mistakes are listed
MOST_CLASS_ROWS = 40  # the weakest stand open, the rest unfold
MOST_CLASS_ROWS_AT_ALL = 1_000  # beyond, metrics.json has them
MOST_OF_ONE = 6  # images of one finding
WORDS = {"problem": "problem", "warning": "look at this", "note": "good to know"}
FRAMINGS = {
    "stretch": "stretching",
    "pad": "fitting them in and padding the rest with grey",
    "crop": "filling the frame and cutting what sticks out",
}
MOST_THUMBNAILS = 300
MOST_MISTAKES = 24
SAMPLES = 12
MOST_SUSPECTS = 24
MOST_OF_FINDINGS = 30
KEPT_FOR_LAYERS = 14  # the example, and one sheet of maps for each of the first layers
MOST_IN_RIGHT_CELL = 6
MOST_IN_WRONG_CELL = 18
MOST_PATHS = 40  # named in one cell beyond those shown


@dataclass(frozen=True, slots=True)
class Cell:
    """The test images of one true class that were called by one name."""

    truth: str
    predicted: str
    shown: tuple[AnsweredImage, ...]
    named: tuple[AnsweredImage, ...]  # by path only
    count: int


@dataclass(frozen=True, slots=True)
class Gallery:
    """The images of a page, by where they stand."""

    samples: tuple[AnsweredImage, ...]
    mistakes: tuple[AnsweredImage, ...]
    mistake_count: int
    cells: Mapping[tuple[str, str], Cell]
    doubted: tuple[AnsweredImage, ...] = ()  # whose label may be wrong

    def paths(self) -> list[str]:
        """Every image that is shown, the most telling first."""
        in_cells = [image for cell in self.cells.values() for image in cell.shown]
        return [image.path for image in (*self.mistakes, *self.doubted, *self.samples, *in_cells)]


def matrix_rows(test: Evaluation | None) -> list[tuple[str, list[int]]]:
    """The confusion matrix: each true class with its images by predicted class; empty where the page has none."""
    if test is None or test.mistakes.confusion is None or not test.image_count:
        return []
    if len(test.per_class) > MOST_CLASSES_IN_MATRIX:
        return []
    return list(zip((one.name for one in test.per_class), test.mistakes.confusion.tolist(), strict=True))


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


def settings(recipe: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Every value of the recipe: its name, the value, and its origin; tables inside it are written with dots."""
    sources = recipe.get("sources", {})
    return [
        (name, _as_text(value), str(sources.get(name, "default")))
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
        (height, width), framing = metadata.framing.size, FRAMINGS[metadata.framing.mode]
        rows += [
            ("Model id", model.model_id),
            ("Version", metadata.provenance.run),
            ("Made on", metadata.provenance.date),
            ("Author", metadata.provenance.author),
            ("License", metadata.provenance.license),
            ("License of the starting weights", metadata.provenance.weights_license or ""),
            ("File", f"model.onnx, {len(model.data) / 1e6:.1f} MB"),
            ("Digest of the file", model.digest),
            ("Digest of the weights", metadata.weights_digest),
            ("What it looks at", f"images brought to {height} × {width} pixels (height × width) by {framing}"),
        ]
        versions = sorted((metadata.provenance.library_versions or {}).items())
        rows += [(f"Made with {name}", str(value)) for name, value in versions]
    uses = metrics.test_uses
    if uses is not None:
        again = f"{uses:,} times; each look makes the figures a little less believable"
        rows.append(("These test images were used", "once: this time" if uses == 1 else again))
    if metrics.origin.data is not None:
        rows.append(("Digest of the data", metrics.origin.data.digest or ""))
        rows.append(("Digest of the test images", metrics.origin.data.test_digest or ""))
    return [(name, value) for name, value in rows if value]


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One finding of check.json, and the few of its images that are shown."""

    severity: str
    sentence: str
    paths: tuple[str, ...]
    more: int  # images that are not shown


def choose_findings(check: Mapping[str, Any]) -> list[ShownFinding]:
    """The findings of check.json, the gravest first as they stand there, with images as far as there is room."""
    shown, places = [], MOST_OF_FINDINGS
    for finding in check.get("findings", ()):
        paths = [unescape_path(path) for path in chain.from_iterable(finding["paths"])]
        chosen = tuple(dict.fromkeys(paths))[: min(MOST_OF_ONE, places)]
        places -= len(chosen)
        shown.append(ShownFinding(finding["severity"], finding["message"], chosen, len(set(paths)) - len(chosen)))
    return shown


def choose_images(
    answers: Iterable[AnsweredImage], *, cells_wanted: bool, spent: int, doubted: Sequence[str] = ()
) -> Gallery:
    """Choose what to show of the answers.

    Args:
        doubted: paths of those whose label may be wrong, the least likely label first.
        cells_wanted: the page has a confusion matrix whose cells open.
        spent: thumbnails that the page needs elsewhere.
    """
    rows = list(answers)
    wrong = sorted((row for row in rows if not row.is_right), key=_loudness)
    mistakes, samples = tuple(wrong[:MOST_MISTAKES]), _draw_by_lot(rows)
    cells = (
        _fill_cells(rows, MOST_THUMBNAILS - spent - len(mistakes) - len(samples) - len(doubted[:MOST_SUSPECTS]))
        if cells_wanted
        else {}
    )
    by_path = {row.path: row for row in rows}
    shown = tuple(by_path[path] for path in doubted[:MOST_SUSPECTS] if path in by_path)
    return Gallery(samples, mistakes, len(wrong), cells, shown)


def _loudness(row: AnsweredImage) -> tuple[float, str]:
    """The worst mistake first: the truth was thought least likely."""
    return (-1.0 if row.truth_probability is None else row.truth_probability, row.path)


def _draw_by_lot(rows: Sequence[AnsweredImage]) -> tuple[AnsweredImage, ...]:
    """A few images that nobody picked, the same ones each time."""
    drawn = np.random.default_rng(0).permutation(len(rows))[:SAMPLES]
    return tuple(rows[number] for number in sorted(drawn.tolist()))


def _fill_cells(rows: Sequence[AnsweredImage], places: int) -> dict[tuple[str, str], Cell]:
    """Give the places to the cells in turns, mistakes before right answers, so that each cell shows something."""
    members: dict[tuple[str, str], list[AnsweredImage]] = {}
    for row in sorted(rows, key=_loudness):
        members.setdefault((row.truth, row.predicted), []).append(row)
    shown = dict.fromkeys(members, 0)
    wrong = sorted((cell for cell in members if cell[0] != cell[1]), key=lambda cell: -len(members[cell]))
    right = [cell for cell in members if cell[0] == cell[1]]
    for cells, most in ((wrong, 2), (right, MOST_IN_RIGHT_CELL), (wrong, MOST_IN_WRONG_CELL)):
        for turn in range(most):
            for cell in cells:
                if places > 0 and shown[cell] == turn < len(members[cell]):
                    shown[cell] += 1
                    places -= 1
    return {
        cell: Cell(
            *cell,
            shown=tuple(images[: shown[cell]]),
            named=tuple(images[shown[cell] : shown[cell] + MOST_PATHS]),
            count=len(images),
        )
        for cell, images in members.items()
    }


def describe_image(answer: AnsweredImage, *, several: bool) -> str:
    """What an image shows, as far as the verdict allows it to be said; safe to show."""
    said = [name for name in answer.predicted.split("|") if name] if several else [answer.predicted]
    return describe_answer(answer.verdict, [*map(visible, said)], [*map(visible, answer.others)], several=several)
