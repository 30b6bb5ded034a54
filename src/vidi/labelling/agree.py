"""Several people's opinions as confirmed labels. What strangers say and others doubt is held for a reviewer.

The operator's own reviewers are believed: what more than half of them say of an image is its label. What comes through
the server is confirmed only where nothing speaks against it: another person, a sure answer of the model, the label's
own probability, and the record of its source. `shares.py` then limits how much one source may give.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from vidi.labelling.opinions import Answer, Opinion, latest_opinions, majority
from vidi.metrics.label_errors import find_unlikely_labels
from vidi.metrics.many_tests import shown_together

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
    state: State = "unclear" if answer[0] == "unclear" else "confirmed"
    return Settled(digest=digest, state=state, answer=answer, opinions=opinions)


def _hold(one: Settled, classes: Sequence[str], views: Mapping[str, ModelView], doubtful: frozenset[str]) -> Settled:
    """The image, held where something speaks against what strangers say of it."""
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
    """The images, those held whose single class, given by strangers, the model believes as little as a wrong one."""
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
    p_values = hypergeom.sf(wrong - 1, everything, contradicted, given)
    least = hypergeom.sf(np.minimum(given, contradicted) - 1, everything, contradicted, given)
    shown = shown_together(p_values.tolist(), least.tolist(), chance=CHANCE)
    return {source for source, is_shown in zip(sources, shown.tolist(), strict=True) if is_shown}
