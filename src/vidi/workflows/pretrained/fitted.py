"""Everything to fit a head again, on fewer or more images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.networks.layers import Classifier
from vidi.training.data import TrainingData
from vidi.training.heads.linear import HeadTrial, LinearHead
from vidi.training.heads.transfer import fit_again


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Everything that a head is fitted from."""

    network: Classifier
    features: NDArray[np.float32]  # (rows, features)
    rows: NDArray[np.int64]
    data: TrainingData
    fold_of: NDArray[np.int64]
    best: HeadTrial  # kind and strength
    weighting: str  # of the classes

    def fitted_on(self, known: NDArray[np.bool_]) -> LinearHead:
        """Fit a head of the same kind on some of the images, (rows,) bool."""
        return fit_again(self.features[known], self.rows[known], self.data, self.best, weighting=self.weighting)
