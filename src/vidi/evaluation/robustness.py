"""Robustness: the accuracy of a model on worse images, such as blurred, noisy, dark or rotated ones."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.answers import Answers
from vidi.evaluation.scores import Estimate
from vidi.evaluation.slices import estimate_shares
from vidi.images.corruptions import CORRUPTIONS, STEPS
from vidi.images.framing import Framing, frame_image, reduce_to_frame
from vidi.images.pool import DecodeJob, ReadImage, read_and_finish
from vidi.images.store import ImageStore
from vidi.machine import Deadline, core_count
from vidi.model_file.decisions import say
from vidi.model_file.values import key
from vidi.prediction.engines import batch_size
from vidi.prediction.predictor import Predictor

LEAST_IMAGES = 20  # of fewer every point of a curve has a range of 40 points and more …
LEAST_IN_TIME = 12  # … but where the time is short, a range of 50 points still shows what costs most
SOME_IMAGES = 4  # that say how long the others will take
# Images that are corrupted: so many pixels of the network's input, but neither fewer nor more images than that.
PIXELS, FEWEST, MOST = 1_500_000, 50, 300
EVERY_STEP = tuple(range(STEPS))
MIDDLE = 2  # step of a change that is answered first, with the strongest; alone where there is no time for every step
VERSIONS_OF_ALL, VERSIONS_OF_MIDDLE = 24, 1 + len(CORRUPTIONS)  # answers about an image, about so many of all steps
KEPT_BACK = 0.85  # of the time is planned with: what was measured on a few images is not known better

Image = NDArray[np.uint8]
Said = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Curve:
    """The accuracy under one kind of change."""

    name: str  # in `vidi.images.corruptions.CORRUPTIONS`
    noun: str  # what it is called in a sentence
    unit: str  # of its strengths
    strengths: tuple[float, ...]  # the weakest first
    accuracies: tuple[Estimate, ...] = field(metadata=key("accuracy"))  # at each strength

    @classmethod
    def of(cls, name: str, accuracies: Sequence[Estimate], steps: Sequence[int] = EVERY_STEP) -> Self:
        """The curve of one kind of change at some of its steps."""
        change = CORRUPTIONS[name]
        return cls(name, change.noun, change.unit, tuple(change.strengths[step] for step in steps), tuple(accuracies))


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """The accuracy on the same images, as they are and made worse step by step."""

    image_count: int = field(metadata=key("images"))
    of_count: int = field(metadata=key("of"))  # test images that these were drawn from
    clean: Estimate
    curves: tuple[Curve, ...]  # of every kind of change, all at the same steps

    @property
    def has_every_step(self) -> bool:
        """Whether every strength was measured; else there was time for the middle one alone."""
        return all(len(curve.strengths) == STEPS for curve in self.curves)


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """Why there are no curves."""

    reason: str = field(
        metadata=key("left_out")
    )  # `few`: under 20 test images; `time`: it did not fit into the minutes given; `off`: not wanted


def measure_robustness(
    predictor: Predictor,
    answers: Answers,
    store: ImageStore,
    job: DecodeJob,
    *,
    seed: int = 0,
    until: Deadline | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Robustness | NotMeasured:
    """Classify test images unchanged and in up to 45 worse versions, made before framing.

    Where the time is limited, the speed on a few images decides once which strengths of how many images are measured.

    Args:
        answers: about test images of classes that the model knows.
        store: where the bytes of these images come from.
        until: when it must end; what was answered until then counts, if it is enough.
        on_progress: called with the images answered so far and in all.

    Returns:
        The curves; or why there are none.
    """
    paths, shown = answers.paths, answers.truth.shown
    if len(paths) < LEAST_IMAGES:
        return NotMeasured("few")
    if until is not None and until.seconds_left() <= 0:
        return NotMeasured("time")
    chosen = _choose(len(paths), predictor.metadata.framing, seed=seed)
    job = replace(job, whole_for=predictor.metadata.framing)
    rows: list[int] = []
    right: list[Said] = []

    def answer(some: NDArray[np.int64], steps: Sequence[int]) -> None:
        finish = partial(_answer, predictor, steps=steps, seed=seed, until=until)
        stream = read_and_finish(store, [paths[row] for row in some.tolist()], job, finish, together=1)
        for row, said in zip(some.tolist(), stream, strict=True):
            if said is not None:
                rows.append(row)
                right.append((said == shown[row]).all(axis=1))
                on_progress(len(rows), count)
            if until is not None and until.seconds_left() <= 0:
                return

    steps: Sequence[int] = EVERY_STEP
    count = len(chosen)
    if until is not None:
        few, began = chosen[: max(SOME_IMAGES, core_count())], time.monotonic()  # each thread has one
        answer(few, [MIDDLE])
        seconds = (time.monotonic() - began) / len(few)
        steps, count = plan_images(seconds, until.seconds_left(), wanted=count, done=len(few))
        if count < LEAST_IN_TIME:
            return NotMeasured("time")
        if steps == EVERY_STEP:
            rows, right, few = [], [], few[:0]
        chosen = chosen[len(few) : count]
    answer(chosen, steps)
    if len(rows) < (LEAST_IMAGES if until is None else LEAST_IN_TIME):
        return NotMeasured("few" if until is None else "time")
    clean, *others = estimate_shares(np.array(right), answers.group_numbers[np.array(rows)], seed=seed)
    return Robustness(
        image_count=len(rows),
        of_count=len(paths),
        clean=clean,
        curves=tuple(
            Curve.of(name, others[len(steps) * number : len(steps) * (number + 1)], steps)
            for number, name in enumerate(CORRUPTIONS)
        ),
    )


def plan_images(seconds: float, left: float, *, wanted: int, done: int) -> tuple[Sequence[int], int]:
    """Which steps of every change are measured, and on how many images: of fewer only the middle step.

    Args:
        seconds: that an image takes at the middle step of every change.
        left: seconds for all.
        wanted: images, where there is time for them.
        done: images that have been answered at the middle step.

    >>> [plan_images(0.1, left, wanted=50, done=4) for left in (20.0, 5.0, 2.0)]
    [((0, 1, 2, 3, 4), 50), ((2,), 46), ((2,), 21)]
    """
    left *= KEPT_BACK
    if wanted * seconds * VERSIONS_OF_ALL / VERSIONS_OF_MIDDLE <= left:
        return EVERY_STEP, wanted
    return (MIDDLE,), min(wanted, done + int(left / seconds))


def _choose(count: int, framing: Framing, *, seed: int) -> NDArray[np.int64]:
    """Which images, in an order drawn at random, so that any first part of them is a fair sample."""
    wanted = min(MOST, max(FEWEST, PIXELS // (framing.size[0] * framing.size[1])))
    drawn: NDArray[np.int64] = np.random.default_rng([seed, 4]).permutation(count)[:wanted]
    return drawn


def _answer(
    predictor: Predictor, read: Sequence[ReadImage], *, steps: Sequence[int], seed: int, until: Deadline | None = None
) -> Said | None:
    """(1 + kinds x steps, classes) bool: what is said of an image as it is and made worse; None where unreadable.

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
        change = list(CORRUPTIONS.values())[kind]
        random = np.random.default_rng([seed, own, number])
        return frame_image(change.corrupt(working, change.strengths[step], random), framing)

    return _say_of_all(predictor, version, steps=steps, until=until)


def _say_of_all(
    predictor: Predictor, version: Callable[[int], Image], *, steps: Sequence[int], until: Deadline | None
) -> Said | None:
    """(1 + kinds x steps, classes) bool: what is said of every version; None where the time is over.

    Of all steps the middle and the strongest are answered first. Steps between two that are answered alike are
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

    firsts = range(1, 1 + STEPS * len(CORRUPTIONS), STEPS)
    if not answer([0, *(first + step for first in firsts for step in (MIDDLE, STEPS - 1) if step in steps)]):
        return None
    doubtful = []
    for first in firsts:
        for before, between, after in ((0, (0, 1), MIDDLE), (first + MIDDLE, (3,), STEPS - 1)):
            wanted = [first + step for step in between if step in steps]
            if wanted and (said[before] == said[first + after]).all():
                said.update((number, said[before]) for number in wanted)
            else:
                doubtful += wanted
    return np.stack([said[number] for number in sorted(said)]) if answer(doubtful) else None
