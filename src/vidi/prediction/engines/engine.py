"""What an engine is: something that executes a model file's graph on images."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class GraphEngine(Protocol):
    """A model file's graph, ready to run. Safe to share between threads; each run uses one of them."""

    @property
    def name(self) -> str:
        """What users call it, a key of `vidi.prediction.engines.registry.ENGINES`."""
        ...

    def run(self, images: NDArray[np.uint8], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Give some outputs, for images (batch, height, width, 3) of one size, which can be any size.

        Raises:
            ModelError: the graph fails on these images.
        """
        ...
