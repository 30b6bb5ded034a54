"""What people say images show: one opinion for each person and image."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["label", "none", "unclear"]  # it shows a class; none of the classes; it cannot be told
Via = Literal["server", "review"]  # a client of the server; a reviewer of the operator's own
MOST_SHARE = 0.05  # of a retraining, from one source through the server
Answer = tuple[Kind, tuple[str, ...]]  # with the classes, in alphabetical order


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One person's answer about one image."""

    key: str  # the same for each replay of one answer
    digest: str  # SHA-256 of the image file's bytes, hex
    at: float  # seconds since 1970, UTC
    source: str  # who: a reviewer's name, or a client's short hash
    via: Via
    kind: Kind
    labels: tuple[str, ...] = ()  # classes, for the kind `label`

    @property
    def answer(self) -> Answer:
        """What it says, in one form.

        >>> Opinion(key="", digest="", at=0, source="ana", via="review", kind="label", labels=("b", "a")).answer
        ('label', ('a', 'b'))
        """
        return self.kind, tuple(sorted(set(self.labels)))


def latest_opinions(opinions: Iterable[Opinion]) -> Mapping[str, tuple[Opinion, ...]]:
    """The opinions that count, by image: of each person the latest, however often it was sent.

    Args:
        opinions: in any order, with replays.

    Returns:
        Digest → the opinions, oldest first; images in the order of their first opinion.
    """
    by_key: dict[str, Opinion] = {}
    for one in sorted(opinions, key=lambda one: (one.at, one.key)):
        by_key.setdefault(one.key, one)  # a replay is dated later, and is no new opinion
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
    answers = [one.answer for one in opinions]
    return next((one for one in dict.fromkeys(answers) if 2 * answers.count(one) > len(answers)), None)
