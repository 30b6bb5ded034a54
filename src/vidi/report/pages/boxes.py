"""What `vidi locate` found, as a page: every image with its boxes and their probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.detection.locate import Located
from vidi.files import escape_path, write_atomic
from vidi.images.framing import Size
from vidi.model_file.read import ModelFile
from vidi.report.pages.render import render_page
from vidi.report.pictures.overlays import colour_of, draw_boxed
from vidi.report.pictures.thumbnails import Thumbnail
from vidi.report.words.text import drawn

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_LISTED = 8  # boxes beside an image; the others are unfolded


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxedImage:
    """One image as the page shows it."""

    path: str
    size: Size | None  # (height, width), pixels; None where it could not be used
    boxes: tuple[Located, ...] = ()  # the likeliest first
    picture: Thumbnail | None = None  # of `vidi.report.pictures.overlays.make_picture`
    refused: str = ""  # why it could not be used

    @property
    def name(self) -> str:
        """The last part of its path."""
        return escape_path(self.path).rpartition("/")[2] or "image"

    @property
    def drawing(self) -> "Markup":
        """Its `<svg>`; empty where it could not be used."""
        return drawn("" if self.size is None else draw_boxed(self.size, self.boxes, self.picture))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How the images were searched."""

    classes: tuple[str, ...]  # that were looked for
    by: str  # `windows`, `evidence` or `answer`
    least: float  # probability of a box
    not_reached: int = 0  # images that an interruption left out


def write_boxes_page(path: Path, images: Sequence[BoxedImage], looked: SearchSettings, model: ModelFile) -> None:
    """Write the page about all images.

    Args:
        path: the HTML file.
        images: in the order of the inputs.
        looked: how they were searched.
        model: the file that answered.

    Raises:
        MissingPackageError: jinja2 is not installed.
        ResourceError: the page cannot be written.
    """
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
    }
    write_atomic(path, render_page("boxes.html", values))


def headline(images: Sequence[BoxedImage]) -> str:
    """What was found, in a sentence.

    >>> headline([BoxedImage(path="a.jpg", size=(2, 2))])
    'Nothing found in 1 image.'
    """
    searched = [one for one in images if one.size is not None]
    boxes, having = sum(len(one.boxes) for one in searched), sum(bool(one.boxes) for one in searched)
    of = f"{len(searched):,} image{'' if len(searched) == 1 else 's'}"
    if not boxes:
        return f"Nothing found in {of}."
    where = of if len(searched) == 1 else f"{having:,} of {of}"
    return f"{boxes:,} box{'' if boxes == 1 else 'es'} in {where}."
