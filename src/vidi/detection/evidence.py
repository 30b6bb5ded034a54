"""Boxes from one pass: where the evidence for a class stands out in the map that the model file gives."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.boxes import clip_boxes
from vidi.detection.locate import Located, WindowSearch
from vidi.errors import ModelError
from vidi.images.framing import Framing, framed_sizes
from vidi.metrics.outputs import SIGMOID, Outputs
from vidi.prediction.predictor import Predictor

FINER = 8  # places of the enlarged map for one region
STANDS_OUT = 0.5  # of the map's peak: what lies above belongs to the thing


def locate_by_evidence(image: NDArray[np.uint8], predictor: Predictor, search: WindowSearch) -> list[Located]:
    """Boxes around the regions that speak for a class, for each class that the image as a whole shows.

    Args:
        image: (height, width, 3) uint8, upright RGB.
        search: the classes, the least probability, and how many boxes.

    Raises:
        ModelError: the file gives no evidence maps.
    """
    if "evidence" not in predictor.model.outputs:
        raise ModelError(
            f"{predictor.model.path} gives no evidence maps: its network does not pool over regions",
            "Search by windows instead: --by windows.",
        )
    given = predictor.run(image[None], ("probabilities", "evidence"))
    found: list[Located] = []
    size = (image.shape[0], image.shape[1])
    for label_index in search.classes:
        probability = float(given["probabilities"][0, label_index])
        if probability < search.least:
            continue
        contrast = _stand_out(given["evidence"][0], label_index, predictor.metadata.outputs)
        boxes, peaks = boxes_of_map(contrast)
        for box, peak in zip(_in_image(boxes, contrast.shape, size, predictor.metadata.framing), peaks, strict=True):
            score = probability * float(peak)
            if score >= search.least:
                x_min, y_min, x_max, y_max = box.tolist()
                label = predictor.classes[label_index]
                found.append(Located(label, label_index, score, (x_min, y_min, x_max, y_max)))
    return sorted(found, key=lambda one: -one.score)[: search.most]


def locate_answer(image: NDArray[np.uint8], predictor: Predictor, search: WindowSearch) -> list[Located]:
    """One box around what speaks most for the image's answer; none on an unknown image.

    Args:
        image: (height, width, 3) uint8, upright RGB.
        search: the classes, and the least probability.

    Raises:
        ModelError: the file gives no evidence maps.
    """
    (prediction,) = predictor.predict([image])
    if prediction.verdict == "unknown" or prediction.label_index not in search.classes:
        return []
    return locate_by_evidence(image, predictor, replace(search, classes=(prediction.label_index,), most=1))


def _stand_out(evidence: NDArray[np.float32], label_index: int, outputs: Outputs) -> NDArray[np.float64]:
    """(rows, columns): how much more each region speaks for a class than for the others, or than for nothing."""
    if outputs == SIGMOID:
        own = evidence[label_index].astype(np.float64)
        return np.asarray(own - min(0.0, float(own.min())), np.float64)
    others = np.delete(evidence, label_index, axis=0).mean(axis=0, dtype=np.float64)
    return np.asarray(evidence[label_index] - others, np.float64)


def boxes_of_map(contrast: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes around what stands out of a map, in regions, the highest first; and each peak as a share of the highest.

    The map is enlarged first, so that boxes end between regions. A map that is nowhere above 0 gives none.

    >>> contrast = np.zeros((6, 6))
    >>> contrast[1:3, 2:5] = 4.0
    >>> boxes_of_map(contrast)[0].round().tolist()
    [[2.0, 1.0, 5.0, 3.0]]
    """
    rows, columns = contrast.shape
    fine = np.asarray(
        Image.fromarray(contrast.astype(np.float32)).resize((columns * FINER, rows * FINER), Image.Resampling.BILINEAR),
        np.float64,
    )
    top = float(fine.max())
    if top <= 0:
        return np.empty((0, 4)), np.empty(0)
    from scipy import ndimage  # takes long, and only boxes need it

    names, count = ndimage.label(fine >= STANDS_OUT * top)
    peaks = np.asarray(ndimage.maximum(fine, names, np.arange(1, count + 1)), np.float64) / top
    places = ndimage.find_objects(names)
    boxes = np.array([[across.start, down.start, across.stop, down.stop] for down, across in places], np.float64)
    order = np.argsort(-peaks, kind="stable")
    return boxes[order] / FINER, peaks[order]


def _in_image(
    boxes: NDArray[np.float64], regions: tuple[int, ...], size: tuple[int, int], framing: Framing
) -> NDArray[np.float64]:
    """Boxes in regions of the framed image as pixels of the image itself."""
    height, width = framing.size
    framed = boxes * np.array([width / regions[1], height / regions[0]] * 2)
    down, across = framed_sizes(size, framing).last
    top, left = (height - down) / 2, (width - across) / 2
    placed = (framed - np.array([left, top] * 2)) * np.array([size[1] / across, size[0] / down] * 2)
    return clip_boxes(placed, size)
