"""Why one image was answered as it was: the arrays, which show and draw themselves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from vidi.explanation import Map
from vidi.figures.drawing import Drawing, side_by_side
from vidi.files import escape_path
from vidi.prediction.as_html import table_as_html
from vidi.prediction.prediction import Prediction
from vidi.report.layers import Layer
from vidi.report.pictures.overlays import common_scale, draw_heat, draw_image
from vidi.report.pictures.thumbnails import Thumbnail
from vidi.report.words.text import visible

COVERED_SHARE = 0.2  # of the image, in what is concluded about a map
FIGURE_WIDTH = 260  # at least, in the units of a drawing: room for a title


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deletion:
    """Probability of the answer while the image is covered, tenth by tenth."""

    marked: NDArray[np.float32]  # (steps + 1,) strongest parts of the map covered first
    random: NDArray[np.float32]  # (steps + 1,) random order: mean over random maps as coarse
    chance: NDArray[np.float32]  # (maps,) with `COVERED_SHARE` covered, for each random map


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Training image that is similar to this one for the network."""

    path: str  # as the data set names it
    label: str  # its label in the data
    similarity: float  # cosine of the embeddings, at most 1
    thumbnail: Thumbnail | None = field(repr=False)  # None if the run keeps no pictures


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Explanation of one prediction. Maps are by class, most probable first, and as large as `image`."""

    path: str  # as it was given
    image: NDArray[np.uint8] = field(repr=False)  # (height, width, 3), upright; a large image is reduced
    prediction: Prediction  # as `vidi predict` gives it
    evidence: Mapping[str, Map] = field(
        repr=False
    )  # above 0 supports the class; empty if the network gives no evidence map
    regions: NDArray[np.float32] | None = field(
        repr=False
    )  # evidence (classes, rows, columns) as the model file gives it
    occlusion: Mapping[str, Map] = field(repr=False)  # loss of probability when the place is covered
    covered: Mapping[str, float]  # probability of the class with its most important part covered
    deletion: Deletion = field(repr=False)
    neighbours: tuple[Neighbour, ...]  # most similar first; empty without the run folder
    layers: tuple[Layer, ...] = field(repr=False)  # layers of the network with their `maps` of the image
    known_count: int = 0  # number of training images that were searched
    is_framed: bool = False  # True if `image` shows the network's frame, because the image itself is too thin

    def plot(self) -> Drawing:
        """Draw the image and its maps; a notebook shows them, and their `save` writes them."""

        return draw_explanation(self.path, self.image, evidence=self.evidence, needs=self.occlusion)

    def _repr_html_(self) -> str:

        labels = [neighbour.label for neighbour in self.neighbours]
        return explanation_as_html(self.path, self.prediction, looks_like=labels, figure=self.plot())


def draw_explanation(
    path: str, image: NDArray[np.uint8], *, evidence: Mapping[str, Map], needs: Mapping[str, Map]
) -> Drawing:
    """The image, what speaks for each class, and what each class needs, three in a row."""
    pictures = [(picture_as_text(path), draw_image(image))]
    for what, maps in (("What speaks for {}", evidence), ("What {} needs", needs)):
        scale = common_scale(maps.values())
        pictures += [
            (what.format(visible(label)), draw_heat(image, values, scale=scale)) for label, values in maps.items()
        ]
    return side_by_side([picture_as_figure(picture, title) for title, picture in pictures])


def picture_as_text(path: str) -> str:
    """The last part of an escaped path."""
    return escape_path(path).rpartition("/")[2]


def picture_as_figure(picture: Thumbnail, title: str) -> str:
    """A picture under its title as an `<svg>` element."""
    width = max(FIGURE_WIDTH, picture.width)
    words = f'<text x="0" y="14" font-size="14" fill="#808080">{escape(title)}</text>'
    image = f'<image href="{picture.uri}" y="22" width="{picture.width}" height="{picture.height}"/>'
    return f'<svg viewBox="0 0 {width} {picture.height + 22}"><title>{escape(title)}</title>{words}{image}</svg>'


def explanation_as_html(path: str, prediction: Prediction, *, looks_like: Sequence[str], figure: Drawing) -> str:
    """The answer, the classes of the nearest training images, and the maps."""
    rows = {
        "answer": str(prediction),
        "looks like": ", ".join(f"{count} × {visible(label)}" for label, count in Counter(looks_like).most_common()),
    }
    return table_as_html(f"Why? {picture_as_text(path)}", rows) + figure._repr_html_()
