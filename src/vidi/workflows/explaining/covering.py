"""Predictions for a framed image with parts of it covered."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.explanation.curves import covered_probabilities, deletion_curve, random_map
from vidi.explanation.maps import Map, enlarge
from vidi.explanation.occlusion import Occlusion, Predict, choose_patch, occlude
from vidi.machine import core_count
from vidi.prediction.predictor import Predictor
from vidi.prediction.stream import batch_size
from vidi.report.explanation import COVERED_SHARE, Deletion

CHANCE_MAPS = 19  # a map that beats them all does so by chance in 1 of 20
RANDOM_MAPS = 5  # that a map is compared with
Progress = Callable[[int, int], None]  # done, in all


def answers_of(predictor: Predictor) -> Predict:
    """Return the model as a function from framed images to probabilities, on all cores."""
    size = batch_size(predictor.metadata.framing)

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pieces = [np.ascontiguousarray(images[start : start + size]) for start in range(0, len(images), size)]
        with ThreadPoolExecutor(max(1, min(core_count(), len(pieces)))) as executor:
            rows = executor.map(lambda piece: predictor.run(piece, ("probabilities",))["probabilities"], pieces)
            return np.concatenate(list(rows))

    return answer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cover:
    """A framed image, and what it takes to ask about it with parts covered."""

    predict: Predict
    framed: NDArray[np.uint8]
    fill: NDArray[np.uint8]  # (3,): the training images' mean colour, which is nothing to the network
    place: tuple[int, int, int, int]  # of the image in the frame

    def parts(self, on_progress: Progress | None) -> Occlusion:
        """Predict with each part covered in turn."""
        return occlude(self.predict, self.framed, fill=self.fill, place=self.place, on_progress=on_progress)

    def deletion(self, values: Map, *, class_index: int) -> Deletion:
        """Predict while the image is covered in the order of its map, and of random maps."""
        size = (self.framed.shape[0], self.framed.shape[1])
        regions = (values.shape[0], values.shape[1])
        if regions == size:  # as coarse as the patches that were covered
            patch, _ = choose_patch(size)
            regions = (max(1, size[0] // patch[0]), max(1, size[1] // patch[1]))
        inside = np.zeros(size, bool)
        top, left, height, width = self.place
        inside[max(0, top) : top + height, max(0, left) : left + width] = True

        def hold(importance: Map) -> Map:
            return np.where(inside, importance, np.nan).astype(np.float32)  # borders are no part of the image

        def curve(importance: Map) -> NDArray[np.float32]:
            return deletion_curve(self.predict, self.framed, hold(importance), class_index=class_index, fill=self.fill)

        random = np.random.default_rng(0)
        unknowing = [random_map(regions, size, random) for _ in range(CHANCE_MAPS)]
        chance = covered_probabilities(
            self.predict,
            self.framed,
            [hold(one) for one in unknowing],
            class_index=class_index,
            fill=self.fill,
            share=COVERED_SHARE,
        )
        by_chance = np.mean([curve(one) for one in unknowing[:RANDOM_MAPS]], axis=0)
        return Deletion(marked=curve(enlarge(values, size)), random=np.asarray(by_chance, np.float32), chance=chance)
