"""The story of `vidi explain`: an image answered, and why.

What speaks for the answer, what happens when parts are covered, and which training images look like it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.data.inputs import FoundInputs, GivenFilesStore
from vidi.errors import ImageError, UsageError
from vidi.explanation.curves import deletion_curve, random_map
from vidi.explanation.maps import Map, enlarge, evidence_for, over_image
from vidi.explanation.occlusion import Occlusion, Predict, choose_patch, occlude, occlusion_map
from vidi.images.account import Account, Entry
from vidi.images.decode import DEFAULT
from vidi.images.framing import Framing, Size, fitted_size, frame_image, place_in_frame, resize
from vidi.images.limits import DecodeOptions
from vidi.images.pool import read_images
from vidi.images.store import ImageStore
from vidi.machine import core_count
from vidi.prediction.prediction import Prediction, decide
from vidi.prediction.predictor import Predictor, check_image
from vidi.prediction.stream import batch_size
from vidi.report.explanation import Deletion, Explanation
from vidi.report.layers import describe_layers
from vidi.report.pictures.heat import MOST_SIDE
from vidi.workflows.explaining.neighbours import KnownImages, find_neighbours
from vidi.workflows.predict import no_images
from vidi.workflows.requests.explain import ExplainRequest

MOST_PAGES = 100  # in one go: each takes seconds
LEAST_SHOWN, MOST_TIMES_AS_LONG = 12, 4  # pixels; of a thinner image the frame is shown, where something can be seen
LEAST_CLASSES, MOST_SHOWN, LEAST_PROBABILITY = 2, 3, 0.01  # which classes get maps where nobody says
MOST_SEVERAL = 6  # maps of an image that shows several
LEAST_REGIONS = 4  # of an evidence map: one region is everywhere
RANDOM_MAPS = 5  # that a map is compared with
Progress = Callable[[int, int], None]  # done, in all


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wanted(ExplainRequest):
    """What is to be found out about each image, and who is told how far it is."""

    known: KnownImages | None = None  # training images that it may look like
    on_progress: Progress | None = None  # called with (answers so far, answers in all) for each image


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """What became of one path: an explanation or an error, never both."""

    path: str
    outcome: Explanation | ImageError
    notes: tuple[str, ...] = ()  # codes of `vidi.images.reasons.NOTES`

    @property
    def explanation(self) -> Explanation | None:
        """The explanation; None where the file could not be used."""
        return None if isinstance(self.outcome, ImageError) else self.outcome

    @property
    def error(self) -> ImageError | None:
        """Why the file could not be used; None where it was explained."""
        return self.outcome if isinstance(self.outcome, ImageError) else None


def explain_inputs(
    predictor: Predictor,
    found: Sequence[FoundInputs],
    account: Account,
    *,
    wanted: Wanted = EVERYTHING,
    options: DecodeOptions = DEFAULT,
) -> Iterator[Explained]:
    """Explain every image that was found, one answer for each path, in order.

    Args:
        predictor: the loaded model.
        found: what `vidi.data.inputs.find_paths` found.
        account: is filled while the answers are taken.
        wanted: what is to be found out about each.
        options: limits and rules of decoding.

    Raises:
        DataError: no image was found.
        UsageError: too many were found.
    """
    count = sum(len(group.paths) for group in found)
    if not any(group.paths or group.account.refused for group in found):
        raise no_images(found)
    if count > MOST_PAGES:
        raise UsageError(
            f"{count:,} images were found, and each gets a page of its own", f"Name at most {MOST_PAGES} of them."
        )
    for group in found:
        account.ignored.extend(group.account.ignored)
        account.refused.extend(group.account.refused)
        for entry in group.account.refused:
            error = ImageError(entry.code, entry.sentence, "Leave it out, or mend it and try again.")
            yield Explained(path=entry.path, outcome=error)
        for path in group.paths:
            explained = _explain_path(predictor, group.store, path, wanted, options)
            if explained.error is not None:
                account.refused.append(Entry(path, explained.error.code, explained.error.cause))
            else:
                account.used += 1
            yield explained


def _explain_path(
    predictor: Predictor, store: ImageStore, path: str, wanted: Wanted, options: DecodeOptions
) -> Explained:
    """Read as `predict` reads it, so that the answer is the same; and once more, for people to look at."""
    framing = predictor.metadata.framing
    (framed,) = read_images(store, [path], framing=framing, options=options, isolated=False)
    (whole,) = read_images(store, [path], options=options, isolated=False)
    try:
        frame, image = framed.pixels(), whole.pixels()
    except ImageError as error:
        return Explained(path=path, outcome=error)
    size = whole.size or (image.shape[0], image.shape[1])
    explanation = explain_framed(predictor, frame, image, image_size=size, path=path, wanted=wanted)
    return Explained(path=path, outcome=explanation, notes=framed.notes)


def explain_file(predictor: Predictor, path: str, *, wanted: Wanted = EVERYTHING) -> Explanation:
    """Explain the answer about one image file.

    Args:
        predictor: the loaded model.
        path: the file.
        wanted: what is to be found out.

    Raises:
        ImageError: it cannot be used.
    """
    outcome = _explain_path(predictor, GivenFilesStore(), path, wanted, DEFAULT).outcome
    if isinstance(outcome, ImageError):
        raise outcome
    return outcome


def explain_image(
    predictor: Predictor, image: NDArray[np.uint8], *, path: str = "image", wanted: Wanted = EVERYTHING
) -> Explanation:
    """Explain the answer about an image that is in memory.

    Args:
        predictor: the loaded model.
        image: (height, width, 3) uint8, upright RGB.
        path: what it is called.
        wanted: what is to be found out.

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
    wanted: Wanted,
) -> Explanation:
    """The answer about one image with all that explains it.

    Args:
        predictor: the loaded model.
        framed: the image as the network wants it.
        image: the image for people, perhaps at reduced scale.
        image_size: (height, width) of the full image, pixels.
        path: what the image is called.
        wanted: what is to be found out.
    """
    framing = predictor.metadata.framing
    given = {name: values[0] for name, values in predictor.run(framed[None]).items()}
    novelty = float(given["novelty"]) if "novelty" in given else None
    prediction = decide(given["probabilities"], predictor.metadata, novelty=novelty)
    shown = [prediction.classes.index(label) for label in _labels_shown(prediction, wanted.top)]
    regions = given.get("evidence")
    tells_where = regions is not None and regions[0].size >= LEAST_REGIONS
    evidence = (
        {index: evidence_for(regions, index, predictor.metadata.outputs) for index in shown}
        if regions is not None and tells_where
        else {}
    )
    cover = _Cover(
        predict=answers_of(predictor),
        framed=framed,
        fill=np.array(predictor.metadata.normalisation.mean).round().clip(0, 255).astype(np.uint8),
        place=place_in_frame(image_size, framing),
    )
    asked = cover.parts(wanted.on_progress) if wanted.occlusion else None
    needed = {} if asked is None else {index: occlusion_map(asked, index) for index in shown}
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
        covered={} if asked is None else {prediction.classes[index]: asked.least(index) for index in shown},
        deletion=cover.deletion(evidence.get(shown[0], needed.get(shown[0])), class_index=shown[0]),
        neighbours=() if wanted.known is None else find_neighbours(wanted.known, given["embedding"]),
        layers=describe_layers(predictor.model, framed) if wanted.layers else (),
        known_count=0 if wanted.known is None else len(wanted.known.images),
    )


def _labels_shown(prediction: Prediction, top: int | None) -> list[str]:
    """The classes that get maps: as many as were asked for, else the answer, the next, and a third that it may be.

    Of several classes, all that the image is called, at most `MOST_SEVERAL`, and the next.
    """
    ranked = prediction.top(MOST_SHOWN if top is None else max(1, top))
    if prediction.multi_label:
        said = prediction.decision or ()
        others = [label for label, _ in prediction.top(len(prediction.classes)) if label not in said]
        return [*said, *others][: min(MOST_SEVERAL, max(LEAST_CLASSES, len(said) + 1)) if top is None else max(1, top)]
    return [
        label
        for rank, (label, probability) in enumerate(ranked)
        if top is not None or rank < LEAST_CLASSES or probability >= LEAST_PROBABILITY
    ]


def answers_of(predictor: Predictor) -> Predict:
    """The model as a function from framed images to probabilities, with all cores at work."""
    size = batch_size(predictor.metadata.framing)

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pieces = [np.ascontiguousarray(images[start : start + size]) for start in range(0, len(images), size)]
        with ThreadPoolExecutor(max(1, min(core_count(), len(pieces)))) as executor:
            rows = executor.map(lambda piece: predictor.run(piece, ("probabilities",))["probabilities"], pieces)
            return np.concatenate(list(rows))

    return answer


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cover:
    """A framed image, and what it takes to ask about it with parts covered."""

    predict: Predict
    framed: NDArray[np.uint8]
    fill: NDArray[np.uint8]  # (3,): the training images' mean colour, which is nothing to the network
    place: tuple[int, int, int, int]  # of the image in the frame

    def parts(self, on_progress: Progress | None) -> Occlusion:
        """The answers with one part after another covered."""
        return occlude(self.predict, self.framed, fill=self.fill, place=self.place, on_progress=on_progress)

    def deletion(self, values: Map | None, *, class_index: int) -> Deletion | None:
        """What becomes of the answer when the image vanishes by a map, and by maps that know nothing."""
        if values is None:
            return None
        size = (self.framed.shape[0], self.framed.shape[1])
        regions = (values.shape[0], values.shape[1])
        if regions == size:  # as coarse as the patches that were covered
            patch, _ = choose_patch(size)
            regions = (max(1, size[0] // patch[0]), max(1, size[1] // patch[1]))
        inside = np.zeros(size, bool)
        top, left, height, width = self.place
        inside[max(0, top) : top + height, max(0, left) : left + width] = True

        def curve(importance: Map) -> NDArray[np.float32]:
            held = np.where(inside, importance, np.nan).astype(np.float32)  # borders are no part of the image
            return deletion_curve(self.predict, self.framed, held, class_index=class_index, fill=self.fill)

        random = np.random.default_rng(0)
        by_chance = np.mean([curve(random_map(regions, size, random)) for _ in range(RANDOM_MAPS)], axis=0)
        return Deletion(marked=curve(enlarge(values, size)), random=np.asarray(by_chance, np.float32))
