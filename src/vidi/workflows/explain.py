"""The story of `vidi explain`: an image answered, and why: evidence, what happens when parts are covered."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.data.inputs import FoundInputs
from vidi.errors import ImageError, UsageError
from vidi.explanation.curves import deletion_curve, random_map
from vidi.explanation.maps import Map, enlarge, evidence_for, over_image
from vidi.explanation.occlusion import Predict, choose_patch, occlude, occlusion_map
from vidi.images.account import Account, Entry
from vidi.images.decode import DEFAULT
from vidi.images.framing import Size, fitted_size, frame_image, place_in_frame, resize
from vidi.images.limits import DecodeOptions
from vidi.images.pool import read_images
from vidi.images.store import ImageStore
from vidi.machine import core_count
from vidi.prediction.prediction import decide
from vidi.prediction.predictor import Predictor
from vidi.prediction.stream import batch_size
from vidi.report.explanation import Deletion, Explanation
from vidi.report.heat import MOST_SIDE
from vidi.workflows.predict import no_images

MOST_PAGES = 100  # in one go: each takes seconds
LEAST_SHOWN = 12  # pixels: of a thinner image the frame is shown, where something can be seen
RANDOM_MAPS = 3  # that a map is compared with
Progress = Callable[[int, int], None]  # done, in all


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """What became of one path: an explanation or an error, never both."""

    path: str
    explanation: Explanation | None = None
    error: ImageError | None = None
    notes: tuple[str, ...] = ()  # codes of `vidi.images.reasons.NOTES`


def explain_inputs(
    predictor: Predictor,
    found: Sequence[FoundInputs],
    account: Account,
    *,
    top: int = 3,
    occlusion: bool = True,
    options: DecodeOptions = DEFAULT,
    on_progress: Progress | None = None,
) -> Iterator[Explained]:
    """Explain every image that was found, one answer for each path, in order.

    Args:
        predictor: the loaded model.
        found: what `vidi.data.inputs.find_paths` found.
        account: is filled while the answers are taken.
        top: maps for so many classes, the most probable first.
        occlusion: whether parts are covered, which takes a hundred answers or so for each image.
        options: limits and rules of decoding.
        on_progress: called with (answers so far, answers in all) for each image.

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
            yield Explained(path=entry.path, error=error)
        for path in group.paths:
            explained = _explain_path(
                predictor, group.store, path, top=top, occlusion=occlusion, options=options, on_progress=on_progress
            )
            if explained.error is not None:
                account.refused.append(Entry(path, explained.error.code, explained.error.cause))
            else:
                account.used += 1
            yield explained


def _explain_path(
    predictor: Predictor,
    store: ImageStore,
    path: str,
    *,
    top: int,
    occlusion: bool,
    options: DecodeOptions,
    on_progress: Progress | None,
) -> Explained:
    """Read as `predict` reads it, so that the answer is the same; and once more, for people to look at."""
    framing = predictor.metadata.framing
    (framed,) = read_images(store, [path], framing=framing, options=options, isolated=False)
    (whole,) = read_images(store, [path], options=options, isolated=False)
    if framed.image is None or whole.image is None:
        return Explained(path=path, error=framed.error or whole.error)
    explanation = explain_framed(
        predictor,
        framed.image,
        whole.image,
        image_size=whole.size or (whole.image.shape[0], whole.image.shape[1]),
        path=path,
        top=top,
        occlusion=occlusion,
        on_progress=on_progress,
    )
    return Explained(path=path, explanation=explanation, notes=framed.notes)


def explain_image(
    predictor: Predictor, image: NDArray[np.uint8], *, path: str = "image", top: int = 3, occlusion: bool = True
) -> Explanation:
    """Explain the answer about an image that is in memory: (height, width, 3) uint8, upright RGB."""
    size = (image.shape[0], image.shape[1])
    framed = frame_image(image, predictor.metadata.framing)
    return explain_framed(predictor, framed, image, image_size=size, path=path, top=top, occlusion=occlusion)


def explain_framed(
    predictor: Predictor,
    framed: NDArray[np.uint8],
    image: NDArray[np.uint8],
    *,
    image_size: Size,
    path: str,
    top: int,
    occlusion: bool,
    on_progress: Progress | None = None,
) -> Explanation:
    """The answer about one image with all that explains it.

    Args:
        predictor: the loaded model.
        framed: the image as the network wants it.
        image: the image for people, perhaps at reduced scale.
        image_size: (height, width) of the full image, pixels.
        path: what the image is called.
        top: maps for so many classes.
        occlusion: whether parts are covered.
        on_progress: called with (answers so far, answers in all).
    """
    framing, wanted = predictor.metadata.framing, predictor.model.outputs
    given = {name: values[0] for name, values in predictor.run(framed[None], wanted).items()}
    novelty = float(given["novelty"]) if "novelty" in given else None
    prediction = decide(given["probabilities"], predictor.metadata, novelty=novelty)
    shown = [prediction.classes.index(label) for label, _ in prediction.top(max(1, top))]
    regions, predict = given.get("evidence"), answers_of(predictor)
    evidence = {} if regions is None else {index: evidence_for(regions, index) for index in shown}
    fill = np.array(predictor.metadata.normalisation.mean).round().clip(0, 255).astype(np.uint8)
    place = place_in_frame(image_size, framing)
    needed: dict[int, Map] = {}
    covered: dict[int, float] = {}
    if occlusion:
        asked = occlude(predict, framed, fill=fill, place=place, on_progress=on_progress)
        needed = {index: occlusion_map(asked, index) for index in shown}
        covered = {index: asked.least(index) for index in shown}
    view, view_size = _view(image, framed, image_size)
    first = evidence.get(shown[0], needed.get(shown[0]))

    def over(maps: dict[int, Map]) -> dict[str, Map]:
        size = (view.shape[0], view.shape[1])
        names = prediction.classes
        if view is framed:
            return {names[index]: enlarge(values, size) for index, values in maps.items()}
        return {names[index]: over_image(values, framing, view_size, shown=size) for index, values in maps.items()}

    return Explanation(
        path=path,
        image=view,
        prediction=prediction,
        evidence=over(evidence),
        regions=regions,
        occlusion=over(needed),
        covered={prediction.classes[index]: value for index, value in covered.items()},
        deletion=None
        if first is None
        else _delete(predict, framed, first, class_index=shown[0], fill=fill, place=place),
    )


def answers_of(predictor: Predictor) -> Predict:
    """The model as a function from framed images to probabilities, with all cores at work."""
    size = batch_size(predictor.metadata.framing)

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pieces = [np.ascontiguousarray(images[start : start + size]) for start in range(0, len(images), size)]
        with ThreadPoolExecutor(max(1, min(core_count(), len(pieces)))) as executor:
            rows = executor.map(lambda piece: predictor.run(piece, ("probabilities",))["probabilities"], pieces)
            return np.concatenate(list(rows))

    return answer


def _view(image: NDArray[np.uint8], framed: NDArray[np.uint8], image_size: Size) -> tuple[NDArray[np.uint8], Size]:
    """The image as people look at it, and the size that it stands for; of a very thin one the frame."""
    size = (image.shape[0], image.shape[1])
    if max(size) > MOST_SIDE:
        size = fitted_size(size, (MOST_SIDE, MOST_SIDE))
    if min(size) < min(LEAST_SHOWN, *framed.shape[:2]) and max(size) > 4 * min(size):
        return framed, image_size
    return resize(image, size), image_size


def _delete(
    predict: Predict,
    framed: NDArray[np.uint8],
    values: Map,
    *,
    class_index: int,
    fill: NDArray[np.uint8],
    place: tuple[int, int, int, int],
) -> Deletion:
    """What becomes of the answer when the image vanishes by the map, and by maps that know nothing."""
    size = (framed.shape[0], framed.shape[1])
    regions = values.shape
    if regions == size:  # as coarse as the patches that were covered
        patch, _ = choose_patch(size)
        regions = (max(1, size[0] // patch[0]), max(1, size[1] // patch[1]))
    inside = np.zeros(size, bool)
    top, left, height, width = place
    inside[max(0, top) : top + height, max(0, left) : left + width] = True

    def curve(importance: Map) -> NDArray[np.float32]:
        held = np.where(inside, importance, np.nan).astype(np.float32)  # borders are no part of the image
        return deletion_curve(predict, framed, held, class_index=class_index, fill=fill)

    random = np.random.default_rng(0)
    by_chance = [curve(random_map((regions[0], regions[1]), size, random)) for _ in range(RANDOM_MAPS)]
    return Deletion(marked=curve(enlarge(values, size)), random=np.asarray(np.mean(by_chance, axis=0), np.float32))
