"""`vidi review`: images for people to label, the desk that hands them out, and the data set that their labels make."""

import contextlib
import getpass
import shlex
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vidi.data.cache import PixelCache, cache_folder
from vidi.data.checked import CONFLICT, DataCheck
from vidi.data.checking.check import check_dataset
from vidi.data.checking.suspects import with_kept_suspects
from vidi.data.labels import Answer, Kind, Opinion, read_labels
from vidi.data.relabel import DISPUTED, LEFT_OUT
from vidi.errors import ImageError, UsageError
from vidi.files import digest_of, escape_path
from vidi.images.store import ImageStore
from vidi.labelling import Settled, cap_sources, settle
from vidi.model_file.read import read_model
from vidi.model_file.registered import follows_name
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.run_folder import REQUEST
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.reviewing.from_folder import review_items
from vidi.workflows.reviewing.items import (
    ExportedLabels,
    LabelledFile,
    ReviewItem,
    ReviewSource,
    write_labelled,
)
from vidi.workflows.reviewing.opening import FolderSource, OpenedFolder, open_folder

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

    settled: dict[str, Settled]  # by digest, of items of one image alone
    order: tuple[ReviewItem, ...]  # disputes, then what is held, then the rest
    closed: Mapping[str, str]  # copies that somebody has decided on, and images left out as copies → who did

    def reviewers(self, digest: str) -> set[str]:
        one = self.settled.get(digest)
        if digest in self.closed:
            return {self.closed[digest]}
        return set() if one is None else {said.source for said in one.opinions if said.via == "review"}

    def needs(self, digest: str, reviewer: str) -> bool:
        """Whether the image still needs this reviewer's answer."""
        one, reviewers = self.settled.get(digest), self.reviewers(digest)
        if digest in self.closed:
            return False
        if one is None or one.state == "confirmed":
            return one is None
        return reviewer not in reviewers and (one.state in ("disputed", "held") or not reviewers)


class ReviewDesk:
    """Gives images to one reviewer, in one or several windows, and keeps the answers. Safe to use from threads."""

    def __init__(self, source: ReviewSource, *, reviewer: str, now: Callable[[], float] = time.time) -> None:
        self.source, self.reviewer = source, reviewer
        self._now = now
        self._items = {item.digest: item for item in source.items()}
        self._shown = {digest for item in self._items.values() for digest in item.shown}
        self._views = {digest: item.view for digest, item in self._items.items() if item.view is not None}
        self._given: dict[str, list[tuple[str, str]]] = defaultdict(list)  # window → (key, digest) of its answers
        self._here = set[str]()  # keys of all answers that were given to this desk
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
            digest: of the item.
            key: made by the window for this answer; sent twice, it counts once.
            kind: that it shows classes, none of them, cannot be told, or is to be left out; of copies, that the first
                stays and the others are left out. Any other answer about copies is about all of them.
            labels: the classes.

        Raises:
            UsageError: the image is not reviewed here, or the labels do not fit the kind.
        """
        item = self._check(digest, kind, labels)
        is_suggested = item.suggested is not None and kind == "label" and set(labels) == set(item.suggested[0])
        said = Opinion(
            key=key,
            digest=digest,
            at=self._now(),
            source=self.reviewer,
            via="review",
            kind=kind,
            labels=tuple(labels),
            how="bulk" if item.files else "suggested" if is_suggested else "one",
        )
        files = item.files[1:] if kind == "copy" else item.files
        with self._lock:
            self.source.add([replace(said, digest=one.digest, path=one.path) for one in files] or [said])
            self.source.release(digest, self._claimant(window))
            self._here.add(key)
            if all(known != key for known, _ in self._given[window]):
                self._given[window].append((key, digest))

    def undo(self, window: str) -> ReviewView:
        """Take the last answer of a window back, and show its image again; the next image where there is none.

        A window without answers takes back what its reviewer answered before this review was opened.
        """
        with self._lock:
            last = self._given[window].pop() if self._given[window] else self._last_before()
            if last is None:
                agenda = self._agenda()
                return self._view(window, agenda, self._next(window, agenda))
            key, digest = last
            self.source.undo(key, who=self.reviewer, at=self._now())
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
        if digest not in self._shown:
            raise UsageError(f"no image {digest[:12]!r} is shown here", "Load the page again.")
        return self.source.image(digest)

    def _last_before(self) -> tuple[str, str] | None:
        """Key and item of this reviewer's last answer from before this review; None without one."""
        item_of = {
            one: item.digest
            for item in reversed(self._items.values())
            for one in (*((file.digest, file.path) for file in item.files), item.digest)
        }
        for one in reversed(self.source.opinions()):
            item = item_of.get((one.digest, one.path) if one.how == "bulk" else one.digest)
            if item is not None and one.source == self.reviewer and one.via == "review" and one.key not in self._here:
                return one.key, item
        return None

    def _item(self, digest: str) -> ReviewItem:
        if digest not in self._items:
            raise UsageError(f"no image {digest[:12]!r} is reviewed here", "Load the page again.")
        return self._items[digest]

    def _check(self, digest: str, kind: Kind, labels: Sequence[str]) -> ReviewItem:
        item = self._item(digest)
        known = set(labels) <= set(self.source.classes)
        most = len(labels) if self.source.multi_label else 1
        if (kind == "label") != bool(labels) or len(labels) > most or not known or (kind == "copy" and not item.files):
            raise UsageError(f"the answer {kind!r} came with the labels {list(labels)!r}", "Load the page again.")
        return item

    def _agenda(self) -> _Agenda:
        opinions = self.source.opinions()
        mine = [one for one in opinions if one.digest in self._items and one.kind != "copy"]
        settled = {one.digest: one for one in settle(mine, classes=self.source.classes, views=self._views)}
        urgency = {"disputed": 0, "held": 1}
        order = sorted(
            self._items.values(),
            key=lambda item: urgency.get(settled[item.digest].state, 2) if item.digest in settled else 2,
        )
        return _Agenda(settled=settled, order=tuple(order), closed=closed_items(self._items.values(), opinions))

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
            can_undo=bool(self._given[window]) or self._last_before() is not None,
        )

    def _claim(self, digest: str, window: str) -> bool:
        now = self._now()
        return self.source.claim(digest, self._claimant(window), until=now + CLAIM_SECONDS, now=now)

    def _claimant(self, window: str) -> str:
        return f"{self.reviewer} {window}"


def closed_items(items: Iterable[ReviewItem], opinions: Iterable[Opinion]) -> dict[str, str]:
    """The items that need no further look because of what was said of copies, and who said it.

    Of several files all but one are left out as copies, or somebody answered about those that are left together; an
    image was left out as a copy of another one.

    Args:
        items: of the review.
        opinions: that count.
    """
    together = {(one.digest, one.path): one for one in opinions if one.kind == "copy" or one.how == "bulk"}
    left_out = {escape_path(path): one.source for (_, path), one in together.items() if one.kind == "copy"}
    closed = {item.digest: left_out[item.name] for item in items if not item.files and item.name in left_out}
    for item in items:
        said = [together.get((file.digest, file.path)) for file in item.files]
        left = [one for one in said if one is None or one.kind != "copy"]
        if said and (len(left) < 2 or None not in left):
            closed[item.digest] = next(one.source for one in said if one is not None)
    return closed


@contextlib.contextmanager
def open_review(
    request: ReviewRequest, *, events: Events = SILENCE, environment: Mapping[str, str]
) -> Iterator[ReviewDesk]:
    """Open a review: a log, a folder or a run.

    Args:
        request: what to review, and by whom.
        events: receives progress and messages.
        environment: variables of the process, for the log's password.

    Raises:
        UsageError: neither or both of a folder and a log were named, or there is no such folder.
        DataError: there is nothing to review.
        ModelError: the model file cannot be trusted.
        ResourceError: the log or the table of labels cannot be used.
    """
    _check(request)
    reviewer = getpass.getuser()
    if request.log is not None:
        from vidi.workflows.reviewing.from_log import LogSource, open_log

        with open_log(request, environment) as log:
            yield ReviewDesk(LogSource.of(log, model_id=_model_id(request), events=events), reviewer=reviewer)
        return
    opened = open_folder(request)
    opened.labels.require_writable()
    items, paths = review_items(
        opened.images,
        with_kept_suspects(PixelCache(cache_folder()), opened.dataset, _checked(opened, events)),
        predictor=opened.predictor,
        suspects=opened.suspects,
        options=opened.options,
        events=events,
    )
    yield ReviewDesk(FolderSource(opened.images, items, paths, opened.labels), reviewer=reviewer)


def _checked(opened: OpenedFolder, events: Events) -> DataCheck:
    """The check of the labelled images."""
    if not opened.dataset.images:
        return DataCheck(records=(), near_duplicates=(), findings=(), account=opened.dataset.account)
    return check_dataset(opened.dataset, options=opened.options, on_progress=events.reading)


def export_labels(
    request: ReviewRequest, *, events: Events = SILENCE, environment: Mapping[str, str]
) -> ExportedLabels:
    """Write the confirmed labels of a log, or a folder with its labels corrected, as a data set.

    Args:
        request: with `export`, the new folder.
        events: receives messages.
        environment: variables of the process, for the log's password.

    Raises:
        UsageError: neither or both of a folder and a log were named, or the new folder exists.
        ResourceError: the log cannot be read, or the data set not written.
    """
    _check(request)
    target = request.export
    if target is None:
        raise UsageError("no folder was named for the labels", "Name a new one: `--export DIR`.")
    if request.log is not None:
        return _export_log(request, target, environment, events)
    return _export_folder(request, target, events)


def commands_after(request: ReviewRequest) -> tuple[str, ...]:
    """What to type when the images are reviewed.

    >>> commands_after(ReviewRequest(source="my photos"))
    ("vidi train 'my photos'",)
    >>> commands_after(ReviewRequest(log="log.sqlite"))
    ('vidi retrain RUN --feedback log.sqlite',)
    """
    if request.log is not None:
        model = "RUN" if request.model is None else shlex.quote(escape_path(request.model))
        return (f"vidi retrain {model} --feedback {shlex.quote(request.log)}",)
    source = Path(request.source or "")
    verb = "retrain" if follows_name(source) or (source / REQUEST).is_file() else "train"
    labels = [] if request.labels is None else ["--labels", escape_path(request.labels)]
    return (shlex.join(["vidi", verb, escape_path(source), *labels]),)


def _check(request: ReviewRequest) -> None:
    if (request.source is None) == (request.log is None):
        said = "both data and a log were named" if request.log else "neither data nor a log was named"
        raise UsageError(said, "Use `vidi review DATA`, `vidi review RUN` or `vidi review --log URL`.")


def _model_id(request: ReviewRequest) -> str | None:
    return None if request.model is None else read_model(request.model).model_id


def _export_log(request: ReviewRequest, target: Path, environment: Mapping[str, str], events: Events) -> ExportedLabels:
    """The images of a log whose label is confirmed, and which are kept."""
    from vidi.workflows.reviewing.from_log import confirmed_labels, open_log
    from vidi.workflows.reviewing.items import write_settled

    with open_log(request, environment) as log:
        settled = cap_sources(
            confirmed_labels(log, model_id=_model_id(request)),
            others=_images_learned(request, events),
            weight=FEEDBACK_WEIGHT,
        )
        wanted = _model_id(request)
        models = [one for one in log.models() if wanted in (None, one.model_id)]
        return write_settled(log, settled, target, multi_label=bool(models) and models[-1].multi_label)


def _images_learned(request: ReviewRequest, events: Events) -> int:
    """How many images the model of a retraining has learned from: what one source's share is a share of."""
    learned = None if request.model is None else read_model(request.model).metadata.provenance.learned_from
    if learned is None:
        events.say("no model says how many images it has learned from, so shares are those of the labels alone")
    return sum(one.image_count for one in learned or ())


def _export_folder(request: ReviewRequest, target: Path, events: Events) -> ExportedLabels:
    """The images of a folder: as people labelled them, else as the folder does where it gives them one label."""
    opened = open_folder(request)
    images = opened.images
    kept = read_labels(opened.labels.path)
    said = kept.answers
    check = _checked(opened, events)
    conflicting = {check.records[row].path for row in check.conflicting}
    left = Counter[str]()

    def labelled() -> Iterator[LabelledFile]:
        for path in (*images.labelled, *images.unlabelled):
            data = _bytes_of(images.store, path)
            digest = "" if data is None else digest_of(data)
            answer = _given(images.labelled.get(path)) if digest not in said else said[digest]
            if (path, digest) in kept.copies:
                left[LEFT_OUT["copy"][0]] += 1
            elif digest not in said and path in conflicting:
                left[CONFLICT[0]] += 1
            elif answer is None:
                left[DISPUTED[0] if digest in said else "no label"] += 1
            elif answer[0] in ("unclear", "exclude"):
                left[LEFT_OUT[answer[0]][0]] += 1
            else:
                yield LabelledFile(name=PurePosixPath(path).name, answer=answer, data=data, is_confirmed=digest in said)

    return write_labelled(target, labelled(), left_out=left, multi_label=images.multi_label)


def _given(labels: tuple[str, ...] | None) -> Answer | None:
    """What the folder says of an image; None where it says nothing."""
    return None if labels is None else ("label", labels) if labels else ("none", ())


def _bytes_of(store: ImageStore, path: str) -> bytes | None:
    try:
        return store.read(path)
    except ImageError:
        return None
