"""Who is shown which image next, and what becomes of the answer."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vidi.errors import UsageError
from vidi.labelling import Kind, Opinion, Settled, settle
from vidi.workflows.reviewing.items import ReviewItem, ReviewSource

CLAIM_SECONDS = 300.0  # that an image stays with whom it is shown to
MOST_DISPUTES = 50  # that are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewProgress:
    """How far the review is, all reviewers together."""

    images: int  # to review in all
    left: int  # that still need this reviewer's answer
    yours: int  # images that this reviewer has answered


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReviewView:
    """What a window shows."""

    item: ReviewItem | None  # None: nothing is left for this reviewer
    settled: Settled | None  # what was said of it; None where nobody has said anything
    disputes: tuple[Settled, ...]  # images that people disagree on, with who said what
    progress: ReviewProgress
    can_undo: bool  # the window has an answer to take back


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Agenda:
    """What the opinions of one moment come to."""

    settled: dict[str, Settled]  # by digest, of items alone
    order: tuple[ReviewItem, ...]  # disputes, then what is held, then the rest

    def reviewers(self, digest: str) -> set[str]:
        one = self.settled.get(digest)
        return set() if one is None else {said.source for said in one.opinions if said.via == "review"}

    def needs(self, digest: str, reviewer: str) -> bool:
        """Whether the image still needs this reviewer's answer."""
        one, reviewers = self.settled.get(digest), self.reviewers(digest)
        if one is None or one.state == "confirmed":
            return one is None
        return reviewer not in reviewers and (one.state in ("disputed", "held") or not reviewers)


class ReviewDesk:
    """Gives images to one reviewer, in one or several windows, and keeps the answers. Safe to use from threads."""

    def __init__(self, source: ReviewSource, *, reviewer: str, now: Callable[[], float] = time.time) -> None:
        self.source, self.reviewer = source, reviewer
        self._now = now
        self._items = {item.digest: item for item in source.items()}
        self._views = {digest: item.view for digest, item in self._items.items() if item.view is not None}
        self._given: dict[str, list[tuple[str, str]]] = defaultdict(list)  # window → (key, digest) of its answers
        self._lock = threading.Lock()

    def next(self, window: str) -> ReviewView:
        """Show the next image in a window.

        An image that the window was shown and did not answer comes again.

        Args:
            window: of the browser; two windows never show the same image.
        """
        with self._lock:
            agenda = self._agenda()
            return self._view(window, agenda, self._next(window, agenda))

    def answer(self, window: str, digest: str, *, key: str, kind: Kind, labels: Sequence[str] = ()) -> None:
        """Keep an answer.

        Args:
            window: where it was given.
            digest: of the image.
            key: made by the window for this answer; sent twice, it counts once.
            kind: that it shows classes, none of them, or cannot be told.
            labels: the classes.

        Raises:
            UsageError: the image is not reviewed here, or the labels do not fit the kind.
        """
        self._check(digest, kind, labels)
        said = Opinion(
            key=key,
            digest=digest,
            at=self._now(),
            source=self.reviewer,
            via="review",
            kind=kind,
            labels=tuple(labels),
        )
        with self._lock:
            self.source.add(said)
            self.source.release(digest, self._claimant(window))
            if all(known != key for known, _ in self._given[window]):
                self._given[window].append((key, digest))

    def undo(self, window: str) -> ReviewView:
        """Forget the last answer of a window, and show its image again; the next image where there is none."""
        with self._lock:
            if not self._given[window]:
                agenda = self._agenda()
                return self._view(window, agenda, self._next(window, agenda))
            key, digest = self._given[window].pop()
            self.source.undo(key)
            self._claim(digest, window)
            return self._view(window, self._agenda(), self._items[digest])

    def show(self, window: str, digest: str) -> ReviewView:
        """Show a certain image, whoever has answered it.

        Raises:
            UsageError: the image is not reviewed here.
        """
        item = self._item(digest)
        with self._lock:
            self._claim(digest, window)
            return self._view(window, self._agenda(), item)

    def image(self, digest: str) -> bytes | None:
        """The bytes of an image that is reviewed here; None where it is gone.

        Raises:
            UsageError: the image is not reviewed here.
        """
        return self.source.image(self._item(digest).digest)

    def _item(self, digest: str) -> ReviewItem:
        if digest not in self._items:
            raise UsageError(f"no image {digest[:12]!r} is reviewed here", "Load the page again.")
        return self._items[digest]

    def _check(self, digest: str, kind: Kind, labels: Sequence[str]) -> None:
        self._item(digest)
        known = set(labels) <= set(self.source.classes)
        most = len(labels) if self.source.multi_label else 1
        if (kind == "label") != bool(labels) or len(labels) > most or not known:
            raise UsageError(f"the answer {kind!r} came with the labels {list(labels)!r}", "Load the page again.")

    def _agenda(self) -> _Agenda:
        mine = [one for one in self.source.opinions() if one.digest in self._items]
        settled = {one.digest: one for one in settle(mine, classes=self.source.classes, views=self._views)}
        urgency = {"disputed": 0, "held": 1}
        order = sorted(
            self._items.values(),
            key=lambda item: urgency.get(settled[item.digest].state, 2) if item.digest in settled else 2,
        )
        return _Agenda(settled=settled, order=tuple(order))

    def _next(self, window: str, agenda: _Agenda) -> ReviewItem | None:
        wanted = (item for item in agenda.order if agenda.needs(item.digest, self.reviewer))
        return next((item for item in wanted if self._claim(item.digest, window)), None)

    def _view(self, window: str, agenda: _Agenda, item: ReviewItem | None) -> ReviewView:
        disputes = [one for one in agenda.settled.values() if one.state == "disputed"]
        return ReviewView(
            item=item,
            settled=None if item is None else agenda.settled.get(item.digest),
            disputes=tuple(disputes[:MOST_DISPUTES]),
            progress=ReviewProgress(
                images=len(self._items),
                left=sum(agenda.needs(digest, self.reviewer) for digest in self._items),
                yours=sum(self.reviewer in agenda.reviewers(digest) for digest in agenda.settled),
            ),
            can_undo=bool(self._given[window]),
        )

    def _claim(self, digest: str, window: str) -> bool:
        now = self._now()
        return self.source.claim(digest, self._claimant(window), until=now + CLAIM_SECONDS, now=now)

    def _claimant(self, window: str) -> str:
        return f"{self.reviewer} {window}"
