"""Why one image was answered as it was: the arrays, which show and draw themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vidi.explanation.maps import Map
from vidi.figures.drawing import Drawing
from vidi.prediction.prediction import Prediction
from vidi.report.layers import Layer
from vidi.report.pictures.thumbnails import Thumbnail

COVERED_SHARE = 0.2  # of the image, in what is concluded about a map


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deletion:
    """What becomes of the answer's probability while the image vanishes, tenth by tenth."""

    marked: NDArray[np.float32]  # (steps + 1,) where what the map marks most strongly goes first
    random: NDArray[np.float32]  # (steps + 1,) where chance decides: the mean over some maps as coarse
    chance: NDArray[np.float32]  # (maps,) with `COVERED_SHARE` gone, for each of some maps as coarse that know nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A training image that looks like the one in question to the network."""

    path: str  # as the data set names it
    label: str  # what it shows, by its owner's word
    similarity: float  # cosine between the embeddings, at most 1
    thumbnail: Thumbnail | None = field(repr=False)  # None where the run keeps no pictures


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Why one image was answered as it was. Maps are by class, the most probable first, and as large as `image`."""

    path: str
    image: NDArray[np.uint8] = field(repr=False)  # (height, width, 3), upright; of a large image a reduced one
    prediction: Prediction
    evidence: Mapping[str, Map] = field(
        repr=False
    )  # above 0: speaks for the class; empty: the network cannot tell where
    regions: NDArray[np.float32] | None = field(repr=False)  # (classes, rows, columns) as the model file gives them
    occlusion: Mapping[str, Map] = field(repr=False)  # how much a class needs what is there; empty: not asked for
    covered: Mapping[str, float]  # the class's probability with that part covered which it needs most
    deletion: Deletion | None = field(repr=False)  # None where there is no map
    neighbours: tuple[Neighbour, ...]  # the most similar first; empty: only the model file is at hand
    layers: tuple[Layer, ...] = field(default=(), repr=False)  # of the network, with `maps` of what they see in it
    known_count: int = 0  # training images that they were found among
    is_framed: bool = False  # `image` is the network's frame, borders included: the image itself is too thin to see

    def plot(self) -> Drawing:
        """The image and the maps over it; a notebook shows them, their `save` writes them."""
        from vidi.report.pages.notebook import draw_explanation

        return draw_explanation(self.path, self.image, evidence=self.evidence, needs=self.occlusion)

    def _repr_html_(self) -> str:
        from vidi.report.pages.notebook import explanation_as_html

        labels = [neighbour.label for neighbour in self.neighbours]
        return explanation_as_html(self.path, self.prediction, looks_like=labels, figure=self.plot())
