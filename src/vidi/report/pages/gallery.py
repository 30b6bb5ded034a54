"""Which images the page shows: at most 300, the most telling first; the rest are named by path."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidi.report.pages.run_files import AnsweredImage

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


def choose_images(
    answers: Iterable[AnsweredImage], *, cells_wanted: bool, spent: int, doubted: Sequence[str] = ()
) -> Gallery:
    """Choose what to show of the answers.

    Args:
        answers: those about test images.
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
