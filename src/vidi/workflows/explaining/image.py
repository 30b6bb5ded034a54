"""One image classified and explained: maps of the classes that matter, neighbours, layers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.explanation import (
    Map,
    Occlusion,
    Predict,
    choose_patch,
    covered_probabilities,
    deletion_curve,
    enlarge,
    evidence_for,
    labels_shown,
    occlude,
    occlusion_map,
    over_image,
    random_map,
)
from vidi.images.framing import Framing, Size, fitted_size, frame_image, place_in_frame, resize
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import GivenFilesStore, ImageStore
from vidi.machine import core_count
from vidi.prediction.engines import batch_size
from vidi.prediction.prediction import decide
from vidi.prediction.predictor import Predictor, check_image
from vidi.report.pages.explain import COVERED_SHARE, Deletion, Explanation
from vidi.report.pages.network import describe_layers
from vidi.report.pictures.overlays import MOST_SIDE
from vidi.workflows.explaining.neighbours import NeighbourIndex, find_neighbours
from vidi.workflows.requests.model_file import ExplainRequest

CHANCE_MAPS = 19  # a map that beats them all does so by chance in 1 of 20
RANDOM_MAPS = 5  # that a map is compared with
Progress = Callable[[int, int], None]  # done, in all
LEAST_SHOWN, MOST_TIMES_AS_LONG = 12, 4  # pixels; of a thinner image the frame is shown, where something can be seen
LEAST_REGIONS = 4  # of an evidence map: one region is everywhere


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplanationParts(ExplainRequest):
    """What to find out about each image, and who receives the progress."""

    known: NeighbourIndex | None = None  # training images that it may look like
    on_progress: Progress | None = None  # called with (answers so far, answers in all) for each image


EVERYTHING = ExplanationParts()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """Result for one path: an explanation or an error, never both."""

    path: str
    outcome: Explanation | ImageError
    notes: tuple[str, ...] = ()  # codes of `vidi.images.limits.NOTES`

    @property
    def explanation(self) -> Explanation | None:
        """Explanation; None if the file could not be used."""
        return None if isinstance(self.outcome, ImageError) else self.outcome

    @property
    def error(self) -> ImageError | None:
        """Reason why the file could not be used; None if it was explained."""
        return self.outcome if isinstance(self.outcome, ImageError) else None


def explain_path(predictor: Predictor, store: ImageStore, path: str, wanted: ExplanationParts) -> Explained:
    """Explain one file, read as `predict` reads it, so that the answer is the same."""
    framing = predictor.metadata.framing
    (framed,) = read_images(store, [path], DecodeJob(framing=framing), isolated=False)
    (whole,) = read_images(store, [path], DecodeJob(), isolated=False)
    try:
        frame, image = framed.pixels(), whole.pixels()
    except ImageError as error:
        return Explained(path=path, outcome=error)
    size = whole.size or (image.shape[0], image.shape[1])
    explanation = explain_framed(predictor, frame, image, image_size=size, path=path, wanted=wanted)
    return Explained(path=path, outcome=explanation, notes=framed.notes)


def explain_file(predictor: Predictor, path: str, *, wanted: ExplanationParts = EVERYTHING) -> Explanation:
    """Explain the prediction for one image file.

    Raises:
        ImageError: it cannot be used.
    """
    outcome = explain_path(predictor, GivenFilesStore(), path, wanted).outcome
    if isinstance(outcome, ImageError):
        raise outcome
    return outcome


def explain_image(
    predictor: Predictor, image: NDArray[np.uint8], *, path: str = "image", wanted: ExplanationParts = EVERYTHING
) -> Explanation:
    """Explain the prediction for an image in memory.

    Args:
        image: (height, width, 3) uint8, upright RGB.

    Raises:
        ShapeError: it has another shape or type.
    """
    check_image(image)
    size = (image.shape[0], image.shape[1])
    framed = frame_image(image, predictor.metadata.framing)
    return explain_framed(predictor, framed, image, image_size=size, path=path, wanted=wanted)


def explain_framed(
    predictor: Predictor,
    framed: NDArray[np.uint8],
    image: NDArray[np.uint8],
    *,
    image_size: Size,
    path: str,
    wanted: ExplanationParts,
) -> Explanation:
    """Explain the prediction for one framed image.

    Args:
        image_size: (height, width) of the full image, pixels.
    """
    framing = predictor.metadata.framing
    given = {name: values[0] for name, values in predictor.run(framed[None]).items()}
    novelty = float(given["novelty"]) if "novelty" in given else None
    prediction = decide(given["probabilities"], predictor.metadata, novelty=novelty)
    shown = [prediction.classes.index(label) for label in labels_shown(prediction, wanted.top)]
    regions = given.get("evidence")
    tells_where = regions is not None and regions[0].size >= LEAST_REGIONS
    evidence = (
        {index: evidence_for(regions, index, predictor.metadata.outputs) for index in shown}
        if regions is not None and tells_where
        else {}
    )
    cover = Cover(
        predict=answers_of(predictor),
        framed=framed,
        fill=np.array(predictor.metadata.normalisation.mean).round().clip(0, 255).astype(np.uint8),
        place=place_in_frame(image_size, framing),
    )
    asked = cover.parts(wanted.on_progress)
    needed = {index: occlusion_map(asked, index) for index in shown}
    view = _view(image)

    def over(maps: dict[int, Map]) -> dict[str, Map]:
        return {prediction.classes[index]: _over(values, framing, image_size, view) for index, values in maps.items()}

    return Explanation(
        path=path,
        image=framed if view is None else view,
        is_framed=view is None,
        prediction=prediction,
        evidence=over(evidence),
        regions=regions,
        occlusion=over(needed),
        covered={prediction.classes[index]: asked.least(index) for index in shown},
        deletion=cover.deletion(evidence.get(shown[0], needed[shown[0]]), class_index=shown[0]),
        neighbours=() if wanted.known is None else find_neighbours(wanted.known, given["embedding"]),
        layers=describe_layers(predictor.model, framed),
        known_count=0 if wanted.known is None else len(wanted.known.images),
    )


def _view(image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The image as people look at it; None where it is too thin to see anything."""
    size = (image.shape[0], image.shape[1])
    if max(size) > MOST_SIDE:
        size = fitted_size(size, (MOST_SIDE, MOST_SIDE))
    if min(size) < LEAST_SHOWN and max(size) > MOST_TIMES_AS_LONG * min(size):
        return None
    return resize(image, size)


def _over(values: Map, framing: Framing, image_size: Size, view: NDArray[np.uint8] | None) -> Map:
    """A map of the frame as one of what people look at."""
    if view is None:
        return enlarge(values, framing.size)
    return over_image(values, framing, image_size, shown=(view.shape[0], view.shape[1]))
