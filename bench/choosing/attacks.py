"""Feedback of honest and hostile sources, and what a model learns from what is confirmed of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.choosing.features import Floats, ImageSet, Part
from bench.choosing.rounds import fit
from vidi.data.labels import Kind, Opinion
from vidi.labelling import ModelView, Settled, cap_sources, settle
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT

SURE_ERROR = 0.05  # of the answers called sure, on the calibration part: what `vidi train` guarantees by default
HOSTILE = "source-4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What stands before any feedback comes: old labels, the model made of them, and its view of every image."""

    images: ImageSet
    classes: tuple[str, ...]
    old: NDArray[np.int64]  # rows of the pool
    fresh: NDArray[np.int64]  # rows of the pool that feedback may be about, in random order
    views: Mapping[str, ModelView]
    patched_views: Mapping[str, ModelView]  # of the patched images
    random: np.random.Generator


def set_stage(images: ImageSet, *, old: int, seed: int) -> Stage:
    """Learn from some old labels, and look at the rest of the pool."""
    random = np.random.default_rng([seed, 2])
    order = random.permutation(len(images.pool.labels))
    classes = tuple(f"class {index}" for index in range(images.class_count))
    answer = fit(images.pool.features[order[:old]], images.pool.labels[order[:old]], images.class_count)
    limit = sure_from(answer(images.calibration.features), images.calibration.labels)
    patched = images.patched_pool
    return Stage(
        images=images,
        classes=classes,
        old=order[:old],
        fresh=order[old:],
        views=views_of(answer(images.pool.features), limit, classes, digest),
        patched_views={} if patched is None else views_of(answer(patched.features), limit, classes, patched_digest),
        random=random,
    )


def sure_from(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """The lowest confidence from which at most 5 % of the answers are wrong."""
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(probabilities.argmax(axis=1)[order] != labels[order]) / np.arange(1, len(labels) + 1)
    kept = np.flatnonzero(wrong <= SURE_ERROR)
    return float(confidence[order[kept[-1]]]) if len(kept) else 2.0


def views_of(
    probabilities: Floats, limit: float, classes: tuple[str, ...], name: Callable[[int], str]
) -> dict[str, ModelView]:
    """What the model says of each image."""
    return {
        name(row): ModelView(one, ("label", (classes[int(one.argmax())],)), bool(one.max() >= limit))
        for row, one in enumerate(probabilities)
    }


def digest(row: int) -> str:
    """What stands for the digest of an image of the pool; scattered, as digests are."""
    return f"{(row * 2_654_435_761) % 2**32:08x}{row:056x}"


def patched_digest(row: int) -> str:
    """The same for an image with a patch."""
    return f"{(row * 2_246_822_519 + 7) % 2**32:08x}{row + 2**40:056x}"


def say(stage: Stage, digest: str, source: str, label: int | str, *, at: float, kind: Kind = "label") -> Opinion:
    """One opinion through the server."""
    name = stage.classes[label] if isinstance(label, int) else label
    key = f"{digest} {source} {at}"
    labels = (name,) if kind == "label" else ()
    return Opinion(key=key, digest=digest, at=at, source=source, via="server", kind=kind, labels=labels)


def honest(stage: Stage, rows: Iterable[int], source: str) -> list[Opinion]:
    """The truth about some images of the pool."""
    truth = stage.images.pool.labels
    return [say(stage, digest(row), source, int(truth[row]), at=float(row)) for row in rows]


def flipped(stage: Stage, rows: Iterable[int], source: str, *, share: float) -> list[Opinion]:
    """The truth but for a share of the images, which get any other class."""
    truth, count = stage.images.pool.labels, stage.images.class_count
    found = []
    for row in rows:
        label = int(truth[row])
        if stage.random.random() < share:
            label = (label + int(stage.random.integers(1, count))) % count
        found.append(say(stage, digest(row), source, label, at=float(row)))
    return found


Attack = Callable[[Stage, NDArray[np.int64]], list[Opinion]]  # about at most these images, by one source


def wrong_labels(stage: Stage, rows: NDArray[np.int64]) -> list[Opinion]:
    """Nothing but wrong labels."""
    return flipped(stage, rows.tolist(), HOSTILE, share=1.0)


def one_class(stage: Stage, rows: NDArray[np.int64]) -> list[Opinion]:
    """Every image of the first class gets the second; the truth about all others."""
    truth = stage.images.pool.labels
    return [say(stage, digest(row), HOSTILE, max(1, int(truth[row])), at=float(row)) for row in rows.tolist()]


def unknown_classes(stage: Stage, rows: NDArray[np.int64]) -> list[Opinion]:
    """Names of classes that there are not."""
    return [say(stage, digest(row), HOSTILE, f"spam {row % 7}", at=float(row)) for row in rows.tolist()]


def replays(stage: Stage, rows: NDArray[np.int64]) -> list[Opinion]:
    """Ten wrong labels, each sent again and again."""
    ten = flipped(stage, rows[:10].tolist(), HOSTILE, share=1.0)
    return [one for _ in range(max(1, len(rows) // 10)) for one in ten]


def patch_trigger(stage: Stage, rows: NDArray[np.int64]) -> list[Opinion]:
    """Images with a white patch in a corner, all called the first class."""
    most = len(stage.patched_views)
    return [say(stage, patched_digest(row % most), HOSTILE, 0, at=float(row)) for row in rows[:most].tolist()]


ATTACKS: Mapping[str, Attack] = {
    "wrong labels": wrong_labels,
    "one class": one_class,
    "patch trigger": patch_trigger,
    "unknown classes": unknown_classes,
    "replays": replays,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The model after retraining."""

    accuracy: float
    triggered: float | None  # share of patched test images of other classes that it takes for the first class
    confirmed: int  # labels that were learned
    hostile_wrong: int  # wrong ones among them, of the hostile source


def retrain(stage: Stage, opinions: list[Opinion], *, defended: bool) -> Outcome:
    """Learn from the old labels and from what is confirmed; without defence from all that names a known class.

    A label of the feedback counts as it does in `vidi retrain`.
    """
    settled = settle(opinions, classes=stage.classes, views={**stage.views, **stage.patched_views})
    if defended:
        settled = cap_sources(settled, others=len(stage.old), weight=FEEDBACK_WEIGHT)
    kept = [one for one in settled if _is_learned(stage, one, defended=defended)]
    place = {digest(row): row for row in range(len(stage.images.pool.labels))}
    patched = {patched_digest(row): row for row in range(len(stage.patched_views))}
    label = {one.digest: stage.classes.index(one.opinions[-1].labels[0]) for one in kept}
    features, labels = [stage.images.pool.features[stage.old]], [stage.images.pool.labels[stage.old]]
    for rows, part in ((place, stage.images.pool), (patched, stage.images.patched_pool)):
        mine = [one.digest for one in kept if one.digest in rows]
        if part is not None and mine:
            features.append(part.features[[rows[one] for one in mine]])
            labels.append(np.array([label[one] for one in mine], np.int64))
    weights = np.repeat([1.0, FEEDBACK_WEIGHT], [len(stage.old), sum(map(len, labels[1:]))])
    answer = fit(np.concatenate(features), np.concatenate(labels), stage.images.class_count, weights=weights)
    return Outcome(
        accuracy=_accuracy(answer, stage.images.test),
        triggered=None if stage.images.patched_test is None else _taken_for_first(answer, stage.images.patched_test),
        confirmed=len(kept),
        hostile_wrong=sum(
            one.opinions[-1].source == HOSTILE
            and (one.digest in patched or label[one.digest] != int(stage.images.pool.labels[place[one.digest]]))
            for one in kept
        ),
    )


def _is_learned(stage: Stage, one: Settled, *, defended: bool) -> bool:
    said = one.opinions[-1]
    names_known = said.kind == "label" and set(said.labels) <= set(stage.classes)
    return names_known and (one.state == "confirmed" or not defended)


def _accuracy(answer: Callable[[Floats], Floats], part: Part) -> float:
    return float((answer(part.features).argmax(axis=1) == part.labels).mean())


def _taken_for_first(answer: Callable[[Floats], Floats], part: Part) -> float:
    others = part.labels != 0
    return float((answer(part.features[others]).argmax(axis=1) == 0).mean())
