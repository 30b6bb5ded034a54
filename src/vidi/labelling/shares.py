"""How much of a retraining one source may give, however much it sends; and which labels may be held back from it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from vidi.labelling.agree import Settled
from vidi.labelling.opinions import MOST_SHARE


def cap_sources(
    settled: Sequence[Settled], *, others: int, share: float = MOST_SHARE, weight: float = 1.0
) -> tuple[Settled, ...]:
    """Hold what would give one source through the server more than its share of a retraining.

    An image on which several sources agree counts for the one of them that has given the fewest so far. What several
    support is kept first; then a source's images are kept in the order of their digests.

    Args:
        settled: of `settle`.
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

    Args:
        settled: of `settle`.
        most: images.

    Returns:
        Their digests.
    """
    reviewed = [one for one in settled if one.state == "confirmed" and not one.supporters]
    newest = sorted(reviewed, key=lambda one: (max(said.at for said in one.opinions), one.digest), reverse=True)
    return frozenset(one.digest for one in newest[:most])
