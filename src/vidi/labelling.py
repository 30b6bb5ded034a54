"""Which images people should label, and what several people's answers say together. Pure functions over arrays.

What the operator's own reviewers say is believed: the answer of more than half of them is the label of an image. What
comes through the server is confirmed only where nothing speaks against it: another person, a sure answer of the model,
the label's own probability, and the record of its source; and one source may give only a share of a retraining.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidi.data.labels import Answer, Opinion, Via, agreed
from vidi.errors import ShapeError
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.intervals import shown_together
from vidi.metrics.label_errors import find_unlikely_labels
from vidi.metrics.outputs import SOFTMAX, Outputs

MOST_SHARE = 0.05  # of a retraining, from one source through the server


def latest_opinions(opinions: Iterable[Opinion]) -> Mapping[str, tuple[Opinion, ...]]:
    """The opinions that count, by image: of each person the latest, however often it was sent.

    Args:
        opinions: in any order, with replays.

    Returns:
        Digest → the opinions, oldest first; images in the order of their first opinion.
    """
    by_key: dict[tuple[str, str], Opinion] = {}
    for one in sorted(opinions, key=lambda one: (one.at, one.key)):
        by_key.setdefault((one.key, one.digest), one)  # a replay is dated later, and is no new opinion
    latest: dict[str, dict[tuple[Via, str], Opinion]] = defaultdict(dict)
    for one in by_key.values():
        latest[one.digest][one.via, one.source] = one
    return {digest: tuple(sorted(of.values(), key=lambda one: (one.at, one.key))) for digest, of in latest.items()}


def majority(opinions: Iterable[Opinion]) -> Answer | None:
    """The answer that more than half of the people give; None without one.

    >>> def said(*names): return [Opinion(key=n, digest="", at=0, source="", via="review", kind="label", labels=(n,))
    ...                           for n in names]
    >>> majority(said("cat", "dog", "cat")), majority(said("cat", "dog"))
    (('label', ('cat',)), None)
    """
    return agreed([one.answer for one in opinions])


State = Literal["confirmed", "unclear", "disputed", "held"]
Reason = Literal[
    "people-disagree", "unknown-class", "contradicts-sure", "unlikely-label", "doubtful-source", "over-share"
]

CHANCE = 0.01  # that any honest source is called doubtful, where all err alike


@dataclass(frozen=True, slots=True, eq=False)
class ModelView:
    """What a model says of an image."""

    probabilities: NDArray[np.float32]  # (classes,)
    label: Answer  # what it answers
    is_sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the opinions about one image come to."""

    digest: str
    state: State
    answer: Answer | None  # where confirmed or unclear; of a held image the answer in question; None in a dispute
    opinions: tuple[Opinion, ...]  # that count, oldest first: who said what
    why: Reason | None = None  # it is disputed or held

    @property
    def supporters(self) -> frozenset[str]:
        """Sources through the server that gave this answer, where no reviewer decided it."""
        if any(one.via == "review" for one in self.opinions):
            return frozenset()
        return frozenset(one.source for one in self.opinions if one.answer == self.answer)


def settle(
    opinions: Iterable[Opinion], *, classes: Sequence[str], views: Mapping[str, ModelView]
) -> tuple[Settled, ...]:
    """Settle what images show, one by one; the shares of sources are `cap_sources`'s.

    Args:
        opinions: in any order, with replays.
        classes: of the model, in the order of its probabilities; reviewers may name others, too.
        views: what the model says, by digest; images without a view are judged by people alone.

    Returns:
        An entry for each image, in the order of the first opinion about it.
    """
    settled = [_settle_one(digest, of) for digest, of in latest_opinions(opinions).items()]
    doubtful = _doubtful_sources(settled, views)
    checked = [_hold(one, classes, views, doubtful) for one in settled]
    return _hold_unlikely(checked, classes, views)


def _settle_one(digest: str, opinions: tuple[Opinion, ...]) -> Settled:
    reviewers = [one for one in opinions if one.via == "review"]
    answers = {one.answer for one in opinions}
    answer = majority(reviewers) if reviewers else next(iter(answers)) if len(answers) == 1 else None
    if answer is None:
        return Settled(digest=digest, state="disputed", answer=None, opinions=opinions, why="people-disagree")
    state: State = "unclear" if answer[0] in ("unclear", "exclude") else "confirmed"
    return Settled(digest=digest, state=state, answer=answer, opinions=opinions)


def _hold(one: Settled, classes: Sequence[str], views: Mapping[str, ModelView], doubtful: frozenset[str]) -> Settled:
    """The image, held where something speaks against what unknown users say of it."""
    if one.state != "confirmed" or one.answer is None or not one.supporters:
        return one
    view = views.get(one.digest)
    if not set(one.answer[1]) <= set(classes):
        return replace(one, state="held", why="unknown-class")
    if one.supporters <= doubtful:
        return replace(one, state="held", why="doubtful-source")
    if view is not None and view.is_sure and view.label != one.answer and len(one.supporters) == 1:
        return replace(one, state="held", why="contradicts-sure")
    return one


def _hold_unlikely(
    settled: Sequence[Settled], classes: Sequence[str], views: Mapping[str, ModelView]
) -> tuple[Settled, ...]:
    """The images; held are those whose class, given by unknown users, the model believes as little as a wrong one."""
    rows = [
        row
        for row, one in enumerate(settled)
        if one.state == "confirmed"
        and len(one.supporters) == 1
        and one.digest in views
        and len((one.answer or ("", ()))[1]) == 1
    ]
    found = list(settled)
    if rows:
        place = {name: index for index, name in enumerate(classes)}
        probabilities = np.stack([views[settled[row].digest].probabilities for row in rows])
        labels = np.array([place[settled[row].answer[1][0]] for row in rows], np.int64)  # type: ignore[index]
        for row in np.asarray(rows)[find_unlikely_labels(probabilities, labels)].tolist():
            found[row] = replace(found[row], state="held", why="unlikely-label")
    return tuple(found)


def _doubtful_sources(settled: Sequence[Settled], views: Mapping[str, ModelView]) -> frozenset[str]:
    """Sources that are contradicted clearly more often than the others: by reviewers, other people, or the model."""
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    for one in settled:
        for opinion in one.opinions:
            if opinion.via == "server" and opinion.kind != "unclear":
                contradicted = _is_contradicted(opinion, one, views.get(one.digest))
                if contradicted is not None:
                    counts[opinion.source][contradicted] += 1
    doubtful: set[str] = set()
    while found := _stand_out({source: of for source, of in counts.items() if source not in doubtful}):
        doubtful |= found
    return frozenset(doubtful)


def _is_contradicted(opinion: Opinion, one: Settled, view: ModelView | None) -> bool | None:
    """Whether somebody or something contradicts an opinion; None where nothing else is known of the image."""
    reviewed = majority(other for other in one.opinions if other.via == "review")
    if reviewed is not None:
        return None if reviewed[0] == "unclear" else opinion.answer != reviewed
    others = {other.answer for other in one.opinions if other.source != opinion.source and other.kind != "unclear"}
    if others:
        return opinion.answer not in others
    return opinion.answer != view.label if view is not None and view.is_sure else None


def _stand_out(counts: Mapping[str, Counter[bool]]) -> set[str]:
    """Sources whose share of contradictions exceeds the others' beyond chance (Fisher's exact test, one-sided)."""
    sources = list(counts)
    right, wrong = (np.array([counts[one][value] for one in sources], int) for value in (False, True))
    given, everything, contradicted = right + wrong, int((right + wrong).sum()), int(wrong.sum())
    if len(sources) < 2 or not contradicted:
        return set()
    from scipy.stats import hypergeom  # takes long, and few ask for it

    p_values = hypergeom.sf(wrong - 1, everything, contradicted, given)
    least = hypergeom.sf(np.minimum(given, contradicted) - 1, everything, contradicted, given)
    shown = shown_together(p_values.tolist(), least.tolist(), chance=CHANCE)
    return {source for source, is_shown in zip(sources, shown.tolist(), strict=True) if is_shown}


def cap_sources(
    settled: Sequence[Settled], *, others: int, share: float = MOST_SHARE, weight: float = 1.0
) -> tuple[Settled, ...]:
    """Hold what would give one source through the server more than its share of a retraining.

    An image on which several sources agree counts for the one of them that has given the fewest so far. What several
    support is kept first; then a source's images are kept in the order of their digests.

    Args:
        others: images of the retraining that are not feedback.
        share: of all images of the retraining, each as often as it counts; 1 takes everything.
        weight: as how many other images each of these counts.

    Returns:
        The same images in the same order.
    """
    own = sum(one.state == "confirmed" and not one.supporters for one in settled)
    asked = sorted(
        (one for one in settled if one.state == "confirmed" and one.supporters),
        key=lambda one: (-len(one.supporters), one.digest),
    )
    most, taken = len(asked), _taken(asked, len(asked))
    while share < 1 and most > (allowed := math.floor(share * (others / weight + own + len(taken)) + 1e-9)):
        most = allowed
        taken = _taken(asked, most)
    return tuple(
        replace(one, state="held", why="over-share")
        if one.state == "confirmed" and one.supporters and one.digest not in taken
        else one
        for one in settled
    )


def _taken(asked: Sequence[Settled], most: int) -> set[str]:
    """Digests of the images that are taken under a limit for each source."""
    given: Counter[str] = Counter()
    taken = set()
    for one in asked:
        source = min(sorted(one.supporters), key=lambda name: given[name])
        if given[source] < most:
            given[source] += 1
            taken.add(one.digest)
    return taken


def newest_reviewed(settled: Sequence[Settled], *, most: int) -> frozenset[str]:
    """The images that a reviewer confirmed last: what models are compared on, since it shows what comes in now.

    Strangers' labels are held for review where they contradict the model in use: what is left would flatter it.

    Returns:
        Their digests.
    """
    reviewed = [one for one in settled if one.state == "confirmed" and not one.supporters]
    newest = sorted(reviewed, key=lambda one: (max(said.at for said in one.opinions), one.digest), reverse=True)
    return frozenset(one.digest for one in newest[:most])


POWER = 4  # of the uncertainty, beside the distance: 1 and 2 chase outliers, none at all repeats itself
MOST_ORDERED = 1_000  # images of a review
SMALLEST = 1e-12  # length of an embedding


def uncertainty(probabilities: Floats, *, outputs: Outputs = SOFTMAX) -> NDArray[np.float64]:
    """How little a model knows each image: 1 less the lead of the first class over the second.

    Where each class is a question of its own: the class whose answer is nearest to even odds counts.

    Args:
        probabilities: (batch, classes) float.

    Returns:
        (batch,) from 0, sure, to 1.

    Source: Scheffer, Decomain and Wrobel 2001, Active hidden Markov models for information extraction (margin).

    >>> uncertainty(np.array([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]])).tolist()
    [0.5, 1.0]
    """
    rows = np.asarray(probabilities, np.float64)
    if outputs != SOFTMAX:
        return np.asarray(1 - np.abs(2 * rows - 1).min(axis=1))
    if rows.shape[1] < 2:
        return np.zeros(len(rows))
    first_two = np.partition(rows, -2, axis=1)[:, -2:]
    return np.asarray(1 - (first_two[:, 1] - first_two[:, 0]))


def choose_images(
    probabilities: Floats,
    *,
    embeddings: Floats | None = None,
    is_strange: NDArray[np.bool_] | None = None,
    outputs: Outputs = SOFTMAX,
    most: int = MOST_ORDERED,
) -> Counts:
    """Order unlabelled images so that the first ones teach most.

    Each next image is the one with the largest product of its uncertainty, to the fourth power, and the distance of its
    embedding's direction from the nearest image before it: a second image of the same doubt teaches little. Strange
    images count as wholly uncertain. Why this product: `docs/decisions/` and `python -m bench choose`.

    Args:
        probabilities: (batch, classes) float.
        embeddings: (batch, features) of the same images; without them the order follows the uncertainty alone.
        is_strange: (batch,) which images are unlike all that the model has learned from; None: not known.
        most: images that are compared with those before them; the rest follows by uncertainty alone.

    Returns:
        (batch,) int64 row numbers, the most informative first; ties in the order given.

    Raises:
        ShapeError: the arrays do not describe the same images.
    """
    doubt = uncertainty(probabilities, outputs=outputs)
    count = len(doubt)
    if (embeddings is not None and len(embeddings) != count) or (is_strange is not None and len(is_strange) != count):
        raise ShapeError("there is not one embedding and one mark for each row of the probabilities", "Give one each.")
    if is_strange is not None:
        doubt = np.where(is_strange, 1.0, doubt)
    by_doubt = np.argsort(-doubt, kind="stable")
    if embeddings is None or count < 2:
        return np.asarray(by_doubt, np.int64)
    first = _spread_out(doubt**POWER, embeddings, count=min(count, most))
    rest = by_doubt[~np.isin(by_doubt, first)]
    return np.concatenate([first, rest]).astype(np.int64)


def _spread_out(weights: NDArray[np.float64], embeddings: Floats, *, count: int) -> Counts:
    """The first images, one after the other: of great weight, and pointing elsewhere than those before."""
    places = np.asarray(embeddings, np.float32)
    places = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), np.float32(SMALLEST))
    nearest = np.ones(len(places))  # cosine distance to the nearest one before
    chosen = np.zeros(count, np.int64)
    left = np.ones(len(places), np.bool_)
    for step in range(count):
        row = int(np.where(left, weights * np.sqrt(nearest), -1.0).argmax())
        chosen[step], left[row] = row, False
        if step == 0:
            nearest = np.full(len(places), np.inf)
        nearest = np.minimum(nearest, np.maximum(1 - places @ places[row], 0.0))
    return chosen
