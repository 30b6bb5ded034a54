"""Scenes as the things in them: each box of their annotations, else the one that a detector finds, is an image."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.boxes import suppress
from vidi.data.dataset import Dataset, LabelledImage
from vidi.detection.locate import WindowSearch, piece_of
from vidi.detection.nanodet import OVERLAP, locate_by_detector, open_detector, with_margin
from vidi.errors import DataError, ImageError
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.decode import decode_image
from vidi.images.store import ImageStore, stamp_within
from vidi.prediction.predictor import Predictor

LEAST = 0.3  # score of a box that counts, as where a detector proposes
MOST = 0.5  # share of the area of all boxes that one must cover to stand for its image
NO_CLASS = ("other-class", "It shows none of the chosen classes.")
UNCLEAR = ("no-clear-box", "Nothing in it covers most of what the detector finds, and no box is annotated.")

Corners = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max, pixels of the upright image


@dataclass(frozen=True, slots=True)
class CropStore:
    """Parts of the images of another store, as PPM files, under the scene's path with `#` and a number."""

    scenes: ImageStore
    parts: Mapping[str, tuple[str, Corners]]  # path → the scene's, and what of it

    def read(self, path: str) -> bytes:
        """The bytes of one part, or of a scene under its own path.

        Raises:
            ImageError: the scene cannot be read or decoded.
        """
        if path not in self.parts:
            return self.scenes.read(path)
        scene, box = self.parts[path]
        piece = piece_of(decode_image(self.scenes.read(scene)).image, np.array(box))
        return b"P6\n%d %d\n255\n%s" % (piece.shape[1], piece.shape[0], piece.tobytes())

    def stamp(self, path: str) -> str:
        """What is known of the scene, and which part it is."""
        scene, box = self.parts.get(path, (path, ()))
        known = stamp_within(self.scenes, scene)
        return f"{known} {box}" if known else ""


def crop_scenes(dataset: Dataset, detector: Path) -> Dataset:
    """The things in the images of a data set, cut out with the margin that `vidi locate --proposals` uses.

    An image with boxes gives one image for each, of its class; parts of one scene are one group. Of any other image the
    detector's box is taken, where one covers most of what is found; else the image is set aside.

    Raises:
        UsageError: the file is no detector.
        ModelError: it is no model file.
        DataError: an image shows several classes at once and has no box of one, or hardly any image has a clear box.
    """
    asked, images, aside = open_detector(detector), list[LabelledImage](), list[Entry]()
    parts: dict[str, tuple[str, Corners]] = {}
    for image in dataset.images:
        if not (image.labels or dataset.multi_label):
            aside.append(Entry(image.path, *NO_CLASS))
            continue
        try:
            scene = decode_image(dataset.store.read(image.path)).image
        except ImageError:
            images.append(image)  # what reads it next refuses it by name
            continue
        found = list(_annotated(image, scene) if image.boxes else _proposed(image, scene, asked))
        if not found:
            aside.append(Entry(image.path, *UNCLEAR))
        for number, (labels, box) in enumerate(found, start=1):
            path = f"{image.path}#{number}"
            parts[path] = (image.path, box)
            group = image.group or (image.path if len(found) > 1 else None)
            images.append(replace(image, path=path, labels=labels, group=group, boxes=(), given=None))
    if aside and len(frozenset[int]().union(*(one.labels for one in images))) < 2 <= len(dataset.classes):
        raise DataError(
            f"{escape_path(dataset.source)}: {len(aside):,} of {len(dataset.images):,} images have no clear box, so "
            "fewer than two classes are left",
            "Annotate boxes, or train on whole images: leave out --proposals.",
        )
    account = replace(dataset.account.setting_aside(aside), used=len(images))
    cropped = replace(
        dataset, images=tuple(images), store=CropStore(dataset.store, parts), account=account, left_out=()
    )
    if not cropped.multi_label:
        cropped.labels()  # refuses what shows several classes at once, and has no box
    return cropped


def _annotated(image: LabelledImage, scene: NDArray[np.uint8]) -> Iterator[tuple[frozenset[int], Corners]]:
    height, width = scene.shape[:2]
    for box in image.boxes:
        across, down = (width, height) if box.relative else (1, 1)
        corners = np.array([[box.x_min * across, box.y_min * down, box.x_max * across, box.y_max * down]])
        yield frozenset({box.class_index}), _as_corners(with_margin(corners)[0])


def _proposed(
    image: LabelledImage, scene: NDArray[np.uint8], detector: Predictor
) -> Iterator[tuple[frozenset[int], Corners]]:
    search = WindowSearch(classes=tuple(range(len(detector.classes))), least=LEAST)
    found = locate_by_detector(scene, detector, search)
    boxes = np.array([one.box for one in found]).reshape(-1, 4)
    # One thing may be found as two classes.
    boxes = boxes[suppress(boxes, np.array([one.score for one in found]), overlap=OVERLAP, most=search.most)]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    if len(boxes) and areas.max() > MOST * areas.sum():
        yield image.labels, _as_corners(with_margin(boxes)[areas.argmax()])


def _as_corners(box: NDArray[np.float64]) -> Corners:
    x_min, y_min, x_max, y_max = box.tolist()
    return x_min, y_min, x_max, y_max
