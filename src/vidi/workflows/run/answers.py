"""What a run's model answers about its test images and negatives; of the latter some teach what is unknown."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidi.data.dataset import LabelledImage
from vidi.data.readers.class_folders import UNKNOWN
from vidi.data.readers.parts import folder_part
from vidi.errors import DataError, ImageError
from vidi.evaluation.answers import CHANGED, EXTRA, TEST, Answers, Want, answer
from vidi.evaluation.guarantees.verdicts import unknown_share
from vidi.evaluation.sections import CorrectedTest
from vidi.files import digest_of, escape_path
from vidi.groups import number_groups
from vidi.images.pool import DecodeJob, read_images
from vidi.metrics.truth import OneClass
from vidi.model_file.limits import VerdictLimits
from vidi.numbers import percent
from vidi.prediction.predictor import Predictor
from vidi.workflows.evaluating.corrected import score_as_given
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.run.prepare import SplitImages

MOST_LOST = 0.01  # of the images may vanish or change while it trains


@dataclass(frozen=True, slots=True, kw_only=True)
class Negatives:
    """The negatives of a data set, assigned by their content: later ones move none of those that were there."""

    to_learn: tuple[str, ...]  # paths
    to_test: tuple[str, ...]
    unusable: int = 0  # unreadable, or copies of an image with a class or of one another


def split_negatives(images: SplitImages) -> Negatives:
    """Half of them for the novelty score, half for the test; those in a part of the user's own split go with it."""
    known = {record.digest for record in images.check.records}
    to_learn: list[str] = []
    to_test: list[str] = []
    unusable = 0
    for path in images.dataset.negatives:
        try:
            digest = digest_of(images.dataset.store.read(path))
        except ImageError:
            unusable += 1
            continue
        if digest in known:
            unusable += 1
            continue
        known.add(digest)
        part = folder_part(path)
        part = images.request.parts.get(part or "", part)
        is_test = part in (TEST, EXTRA) if part is not None else int(digest[:8], 16) % 2 == 1
        (to_test if is_test else to_learn).append(path)
    return Negatives(to_learn=tuple(to_learn), to_test=tuple(to_test), unusable=unusable)


def frame_negatives(images: SplitImages, paths: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The readable ones as pixels (images, height, width, 3), framed as the network wants them, and their kinds.

    The folders inside `_unknown` say which are of one kind; what lies in none of them is a kind of its own.
    """
    options = decode_options(images.request)
    read = [
        (one.image, _kind(one.path))
        for one in read_images(images.dataset.store, list(paths), DecodeJob(framing=images.framing, options=options))
        if one.image is not None
    ]
    pixels = np.array([image for image, _ in read], np.uint8).reshape(-1, *images.framing.size, 3)
    return pixels, number_groups([kind for _, kind in read])


def answer_negatives(predictor: Predictor, images: SplitImages) -> Answers:
    """What a model file says of those that are kept for the test; their class is foreign to every model."""
    foreign = tuple(LabelledImage(path, frozenset()) for path in split_negatives(images).to_test)
    dataset = replace(images.dataset, images=foreign)
    want = Want(options=decode_options(images.request))
    answers = answer(predictor, dataset, dict.fromkeys(range(len(foreign)), TEST), want)
    return replace(answers, truths=(UNKNOWN,) * len(answers.paths), numbers=None)


def add_negatives(known: Answers, predictor: Predictor, images: SplitImages, *, events: Events) -> Answers:
    """The answers, and those about negatives kept for the test, which no class of one class each is true of."""
    others, limits = answer_negatives(predictor, images), predictor.metadata.verdict
    for sentence in () if limits is None else describe_negatives(others, limits):
        events.say(sentence)
    return known.followed_by(others) if isinstance(known.truth, OneClass) else known


def describe_negatives(answers: Answers, limits: VerdictLimits) -> tuple[str, ...]:
    """How many of those that were kept for the test are called unknown, for people; nothing where there are none."""
    tested = answers.only(np.array([truth == UNKNOWN for truth in answers.truths], bool))
    share = unknown_share(tested, limits)
    if share.value is None or share.interval is None:
        return ()
    low, high = percent(share.interval.low), percent(share.interval.high)
    return (
        f"negatives: {percent(share.value)} of {share.image_count:,} in the test are called unknown "
        f"(95 % interval {low} to {high})",
    )


def _kind(path: str) -> str:
    """The folder inside `_unknown` in which an image lies; "" where it lies in none.

    >>> _kind("pets/_unknown/wolves/1.jpg"), _kind("_unknown/1.jpg")
    ('wolves', '')
    """
    inside = path.split("/")
    below = inside[inside.index(UNKNOWN) + 1 : -1]
    return below[0] if below else ""


def answer_test_images(predictor: Predictor, images: SplitImages, *, looks_at: Collection[int] = ()) -> Answers:
    """Predict the images of the parts `test` and `extra`, read again from their files.

    Raises:
        DataError: more than one in a hundred of the data set's images is gone, unreadable or changed since the check.
    """
    split, records = images.split, images.check.records
    rows = np.concatenate([split.rows("test"), split.rows("extra")]).tolist()
    want = Want(
        options=decode_options(images.request),
        traits=True,
        looks_at=looks_at,
        leave_out=lambda row, digest: CHANGED if digest != records[row].digest else None,
    )
    answers = answer(predictor, images.dataset, {row: split.parts[row] for row in rows}, want)
    if len(answers.lost) > MOST_LOST * len(records):
        raise DataError(
            f"{len(answers.lost)} of {len(rows)} test images are missing or changed, "
            f"first {escape_path(answers.lost[0].path)}",
            "Restore the images, then finish with `vidi train --resume RUN --finish`.",
        )
    suspect = set(split.suspect_test_rows)
    return replace(
        answers,
        groups=tuple(split.groups[row] for row in answers.rows.tolist()),
        near_duplicates=tuple(row in suspect for row in answers.rows.tolist()),
    )


def score_test_as_given(
    predictor: Predictor, images: SplitImages, known: Answers, *, seed: int
) -> CorrectedTest | None:
    """Score the test part with the labels that the data gives; None where people corrected none of them."""
    rows = [row for row, part in images.split.left_out_of.items() if part == TEST]
    left_out = [images.dataset.images[row] for row in rows]
    want = Want(options=decode_options(images.request))
    return score_as_given(predictor, images.dataset, known, left_out, want=want, seed=seed)
