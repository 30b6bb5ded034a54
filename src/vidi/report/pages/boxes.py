"""What `vidi locate` found, as a value that draws itself and as a page: images with boxes and their probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from vidi.detection.locate import Located
from vidi.errors import DataError
from vidi.figures.drawing import Drawing, side_by_side
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.model_file.read import ModelFile
from vidi.numbers import count_of
from vidi.prediction.as_html import table_as_html
from vidi.report.pages.render import write_page
from vidi.report.pictures.overlays import colour_of, draw_boxed
from vidi.report.pictures.thumbnails import Thumbnail
from vidi.report.words.text import drawn, percent, visible

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_LISTED = 8  # boxes beside an image; the others are unfolded
MOST_BOXES = 12  # in a notebook


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedImage:
    """Boxes found in one image, or the reason why it could not be used."""

    path: str  # as it was given
    size: tuple[int, int] | None  # (height, width), pixels; None if the image was refused
    boxes: tuple[Located, ...] = ()  # most probable first
    seconds: float = 0.0  # time of the search, without decoding
    error: Entry | None = None  # why the image could not be used
    image: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)  # (height, width, 3), upright
    picture: Thumbnail | None = field(default=None, repr=False, compare=False)  # small picture for the page

    def without_pixels(self) -> Self:
        """Return the same without the image's pixels."""
        return replace(self, image=None)

    def plot(self) -> Drawing:
        """Draw the image with its numbered boxes; a notebook shows it, and its `save` writes it.

        Raises:
            DataError: the image could not be used.
        """
        if self.size is None:
            raise DataError("an image that could not be used has nothing to draw", "Its `error` says why.")
        return side_by_side([draw_boxed(self.size, self.boxes, self.picture)])

    def _repr_html_(self) -> str:
        name = escape_path(self.path).rpartition("/")[2]
        if self.size is None:
            return table_as_html(name, {"refused": "" if self.error is None else self.error.sentence})
        rows = {
            str(number): f"{visible(box.name)} {percent(box.score)}, {' '.join(f'{value:.0f}' for value in box.box)}"
            for number, box in enumerate(self.boxes[:MOST_BOXES], start=1)
        }
        if len(self.boxes) > MOST_BOXES:
            rows["more"] = f"{len(self.boxes) - MOST_BOXES:,}"
        return table_as_html(name if self.boxes else f"{name}: nothing found", rows) + self.plot()._repr_html_()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How the images were searched."""

    classes: tuple[str, ...]  # that were looked for
    by: str  # `windows`, `evidence`, `answer`, `detector` or `proposals`
    least: float  # probability of a box
    not_reached: int = 0  # images that an interruption left out


def write_boxes_page(path: Path, images: Sequence[LocatedImage], looked: SearchSettings, model: ModelFile) -> None:
    """Write the page about all images; raises like `write_page`."""
    searched = [one for one in images if one.size is not None]
    values = {
        "headline": headline(images),
        "looked": looked,
        "model": model,
        "found": [one for one in searched if one.boxes],
        "empty": [one for one in searched if not one.boxes],
        "refused": [one for one in images if one.size is None],
        "most_listed": MOST_LISTED,
        "colour_of": colour_of,
        "path_text": escape_path,
        "draw": _drawing,
    }
    write_page(path, "boxes.html", values)


def _drawing(image: LocatedImage) -> "Markup":
    """The `<svg>` of an image that could be used."""
    return drawn("" if image.size is None else draw_boxed(image.size, image.boxes, image.picture))


def headline(images: Sequence[LocatedImage]) -> str:
    """What was found, in a sentence.

    >>> headline([LocatedImage(path="a.jpg", size=(2, 2))])
    'Nothing found in 1 image.'
    """
    searched = [one for one in images if one.size is not None]
    boxes, having = sum(len(one.boxes) for one in searched), sum(bool(one.boxes) for one in searched)
    of = count_of(len(searched), "image")
    if not boxes:
        return f"Nothing found in {of}."
    where = of if len(searched) == 1 else f"{having:,} of {of}"
    return f"{count_of(boxes, 'box')} in {where}."
