"""Robustness: the accuracy of a model on worse images, such as blurred, noisy, dark or rotated ones."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.evaluation import Estimate
from vidi.evaluation.sections.plain import key
from vidi.evaluation.shares import estimate_shares
from vidi.images.framing import Framing, frame_image, reduce_to_frame
from vidi.images.limits import DecodeOptions
from vidi.images.pool import DecodeJob, ReadImage, read_and_finish
from vidi.images.spoiling import SPOILINGS, STEPS
from vidi.images.store import ImageStore
from vidi.machine import Deadline
from vidi.metrics.arrays import Counts
from vidi.model_file.decisions import say
from vidi.prediction.predictor import Predictor
from vidi.prediction.stream import batch_size

LEAST_IMAGES = 30  # of fewer every point of a curve has a range of 35 points and more
SOME_IMAGES = 4  # that say how long the others will take
# Images that are spoilt: so many pixels of the network's input, but neither fewer nor more images than that.
PIXELS, FEWEST, MOST = 1_500_000, 50, 300
VARIANTS = 1 + STEPS * len(SPOILINGS)
MIDDLE = 2  # step of a change that is answered first, with the strongest

Image = NDArray[np.uint8]
Said = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Curve:
    """The accuracy under one kind of change."""

    name: str  # in `vidi.images.spoiling.SPOILINGS`
    noun: str  # what it is called in a sentence
    unit: str  # of its strengths
    strengths: tuple[float, ...]  # the weakest first
    accuracies: tuple[Estimate, ...] = field(metadata=key("accuracy"))  # at each strength

    @classmethod
    def of(cls, name: str, accuracies: Sequence[Estimate]) -> Self:
        """The curve of one kind of change, with what is known of it."""
        change = SPOILINGS[name]
        return cls(name, change.noun, change.unit, tuple(change.strengths), tuple(accuracies))


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """The accuracy on the same images, as they are and made worse step by step."""

    image_count: int = field(metadata=key("images"))
    of_count: int = field(metadata=key("of"))  # test images that these were drawn from
    clean: Estimate
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """Why there are no curves."""

    reason: str = field(
        metadata=key("left_out")
    )  # `few`: under 30 test images; `time`: it did not fit into the minutes given; `off`: not wanted


def measure_robustness(
    predictor: Predictor,
    paths: Sequence[str],
    shown: NDArray[np.bool_],
    groups: Counts,
    *,
    store: ImageStore,
    options: DecodeOptions,
    seed: int = 0,
    until: Deadline | None = None,
    workers: int | None = None,
) -> Robustness | NotMeasured:
    """Classify test images unchanged and in up to 45 worse versions, made before framing.

    Args:
        predictor: the model.
        paths: of the test images, of classes that the model knows.
        shown: (paths, classes) bool; which of the model's classes each image shows.
        groups: (paths,) int; images of one group are not independent.
        store: where the bytes come from.
        options: how images are decoded.
        seed: of the choice of images, and of resampling.
        until: when to stop; what was answered until then counts, if it is enough.
        workers: threads; as many as there are cores where None.

    Returns:
        The curves; or why there are none.
    """
    if len(paths) < LEAST_IMAGES:
        return NotMeasured("few")
    if until is not None and until.seconds_left() <= 0:
        return NotMeasured("time")
    chosen = _choose(len(paths), predictor.metadata.framing, seed=seed)
    job = DecodeJob(store=store, whole_for=predictor.metadata.framing, options=options)
    stream = read_and_finish(
        job,
        [paths[row] for row in chosen.tolist()],
        partial(_answer, predictor, seed=seed, until=until),
        together=1,
        workers=workers,
    )
    rows: list[int] = []
    right: list[Said] = []
    began = time.monotonic()
    for row, said in zip(chosen.tolist(), _until(stream, until), strict=False):
        if until is not None and not can_be_enough(len(rows), time.monotonic() - began, until):
            return NotMeasured("time")
        if said is not None:
            rows.append(row)
            right.append((said == shown[row]).all(axis=1))
    if len(rows) < LEAST_IMAGES:
        return NotMeasured("time" if until is not None else "few")
    clean, *others = estimate_shares(np.array(right), groups[np.array(rows)], seed=seed)
    return Robustness(
        image_count=len(rows),
        of_count=len(paths),
        clean=clean,
        curves=tuple(
            Curve.of(name, others[STEPS * number : STEPS * (number + 1)]) for number, name in enumerate(SPOILINGS)
        ),
    )


def _choose(count: int, framing: Framing, *, seed: int) -> NDArray[np.int64]:
    """Which images, in an order drawn at random, so that any first part of them is a fair sample."""
    wanted = min(MOST, max(FEWEST, PIXELS // (framing.size[0] * framing.size[1])))
    drawn: NDArray[np.int64] = np.random.default_rng([seed, 4]).permutation(count)[:wanted]
    return drawn


def can_be_enough(done: int, seconds: float, until: Deadline) -> bool:
    """Whether as many images as are needed can be answered in time, at the rate so far."""
    return not SOME_IMAGES <= done < LEAST_IMAGES or seconds / done * (LEAST_IMAGES - done) <= until.seconds_left()


def _until(stream: Iterator[Said | None], until: Deadline | None) -> Iterator[Said | None]:
    for answer in stream:
        yield answer
        if until is not None and until.seconds_left() <= 0:
            return


def _answer(
    predictor: Predictor, read: Sequence[ReadImage], *, seed: int, until: Deadline | None = None
) -> Said | None:
    """(VARIANTS, classes) bool, what is said of an image as it is and of its worse versions; None where unreadable.

    None as well where the time is over: an image takes as long as many answers, so it is looked at between them.
    """
    (one,) = read
    if one.image is None:
        return None
    framing = predictor.metadata.framing
    working = reduce_to_frame(one.image, framing)  # as small as framing makes it, never enlarged
    own = crc32(one.path.encode("utf-8", "surrogatepass"))

    def version(number: int) -> Image:
        kind, step = divmod(number - 1, STEPS)
        if number == 0:
            return frame_image(working, framing)
        change = list(SPOILINGS.values())[kind]
        random = np.random.default_rng([seed, own, number])
        return frame_image(change.spoil(working, change.strengths[step], random), framing)

    return _say_of_all(predictor, version, until=until)


def _say_of_all(predictor: Predictor, version: Callable[[int], Image], *, until: Deadline | None) -> Said | None:
    """(VARIANTS, classes) bool: what is said of every version; None where the time is over.

    Of each change the middle and the strongest step are answered first. Steps between two that are answered alike are
    taken to be answered so too: on photographs this is wrong for 1 in 100, and it saves nearly half of the time.
    """
    said: dict[int, NDArray[np.bool_]] = {}

    def answer(numbers: Sequence[int]) -> bool:
        size = batch_size(predictor.metadata.framing)
        for start in range(0, len(numbers), size):
            if until is not None and until.seconds_left() <= 0:
                return False
            some = numbers[start : start + size]
            given = predictor.run(np.stack([version(number) for number in some]), ("probabilities",))["probabilities"]
            said.update(zip(some, say(given, predictor.metadata), strict=True))
        return True

    firsts = range(1, VARIANTS, STEPS)
    if not answer([0, *(first + step for first in firsts for step in (MIDDLE, STEPS - 1))]):
        return None
    doubtful = []
    for first in firsts:
        for before, between, after in ((0, (0, 1), MIDDLE), (first + MIDDLE, (3,), STEPS - 1)):
            ends = said[before], said[first + after]
            if (ends[0] == ends[1]).all():
                said.update((first + step, ends[0]) for step in between)
            else:
                doubtful += [first + step for step in between]
    return np.stack([said[number] for number in range(VARIANTS)]) if answer(doubtful) else None
