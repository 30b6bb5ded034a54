"""Why one image was answered as it was: the arrays, which show and draw themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vidi.explanation.maps import Map
from vidi.prediction.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deletion:
    """What becomes of the answer's probability while the image vanishes, tenth by tenth."""

    marked: NDArray[np.float32]  # (steps + 1,) where what the map marks most strongly goes first
    random: NDArray[np.float32]  # (steps + 1,) where chance decides: the mean over some maps as coarse


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Why one image was answered as it was. Maps are by class, the most probable first, and as large as `image`."""

    path: str
    image: NDArray[np.uint8] = field(repr=False)  # (height, width, 3), upright; of a large image a reduced one
    prediction: Prediction
    evidence: Mapping[str, Map] = field(repr=False)  # above 0: speaks for the class; empty: the network cannot tell
    regions: NDArray[np.float32] | None = field(repr=False)  # (classes, rows, columns) as the model file gives them
    occlusion: Mapping[str, Map] = field(repr=False)  # how much a class needs what is there; empty: not asked for
    covered: Mapping[str, float]  # the class's probability with that part covered which it needs most
    deletion: Deletion | None = field(repr=False)  # None where there is no map
