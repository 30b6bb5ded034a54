"""Kept images of a prediction log to review, and the log's feedback as opinions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.data.duplicates.fingerprint import FINGERPRINT_BYTES, fingerprint_image, unpack_fingerprints
from vidi.data.duplicates.near_duplicates import find_near_duplicates
from vidi.data.labels import Kind, Opinion
from vidi.errors import DataError, ImageError
from vidi.groups import join_links
from vidi.images.decode import MEASURED_SIDE, decode_image
from vidi.labelling import ModelView, Settled, choose_images, settle
from vidi.log.address import parse_address
from vidi.log.records import Feedback, FeedbackKind, LoggedModel, LoggedPrediction
from vidi.log.store import PredictionLog
from vidi.metrics.outputs import SIGMOID, SOFTMAX
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.reviewing.items import ReviewItem

MOST_SHOWN = 1_000  # images of one review; the next review begins with what is left
SHORT = 12  # digits of a digest that stand for an image

_Viewed = tuple[LoggedPrediction, ModelView]
AT_LEAST = (MEASURED_SIDE, MEASURED_SIDE)


class LogSource:
    """The kept images of a log that one model has answered, most informative first."""

    def __init__(self, log: PredictionLog, model: LoggedModel, items: Sequence[ReviewItem]) -> None:
        self.log, self.model = log, model
        self._items = items

    @classmethod
    def of(cls, log: PredictionLog, *, model_id: str | None = None, events: Events = SILENCE) -> "LogSource":
        """Order the kept images of a log for review.

        Args:
            log: open.
            model_id: of the model whose answers count; None: the one that answered last.
            events: receives progress.

        Raises:
            DataError: no image is kept, or no kept image has an answer of the model.
            LogUnavailableError: the log is lost.
        """
        kept = set(log.kept_digests())
        if not kept:
            raise DataError(
                f"{log.address} keeps no images, so there is nothing to look at",
                "Keep them: `vidi serve --log URL --keep-images`. Without images, feedback only scores the model.",
            )
        rows = last_answers(log.predictions(model_id), kept)
        if not rows:
            raise DataError(
                f"no kept image of {log.address} has a usable answer" + (f" of {model_id}" if model_id else ""),
                "Name a model that answered, or leave `--model` out.",
            )
        model = rows[-1].model
        mine = [row for row in rows if row.model.model_id == model.model_id]
        return cls(log, model, _in_order(log, mine, events))

    @property
    def title(self) -> str:
        """What is reviewed, for people."""
        return f"images that {self.model.name} answered"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the model's probabilities."""
        return self.model.classes

    @property
    def multi_label(self) -> bool:
        """Whether an image may show several classes, or none."""
        return self.model.multi_label

    def items(self) -> Sequence[ReviewItem]:
        """Images to review, the most informative first."""
        return self._items

    def image(self, digest: str) -> bytes | None:
        """The bytes of an image file; None where it is gone."""
        return self.log.image(digest)

    def opinions(self) -> list[Opinion]:
        """All feedback."""
        return opinions_of(self.log.feedback())

    def add(self, opinions: Sequence[Opinion]) -> None:
        """Write feedback; it is committed when this returns."""
        (opinion,) = opinions  # a log's images are reviewed one by one
        self.log.add_feedback(
            Feedback(
                key=opinion.key,
                at=opinion.at,
                digest=opinion.digest,
                kind=_feedback_kind(opinion.kind),
                labels=opinion.labels,
                source=opinion.source,
                via=opinion.via,
                model_id=self.model.model_id,
            )
        )

    def undo(self, key: str, *, who: str, at: float) -> None:  # noqa: ARG002  # a log forgets it
        """Forget an opinion."""
        self.log.undo(key)

    def claim(self, digest: str, claimant: str, *, until: float, now: float) -> bool:
        """Take an image; False where another reviewer of the log has it."""
        return self.log.claim(digest, claimant, until=until, now=now)

    def release(self, digest: str, claimant: str) -> None:
        """Give a claim up."""
        self.log.release(digest, claimant)


def _feedback_kind(kind: Kind) -> FeedbackKind:
    """The kind as a log knows it: an unclear image is left out of a retraining as an excluded one is."""
    match kind:
        case "label" | "none":
            return kind
        case _:
            return "unclear"


def opinions_of(feedback: Iterable[Feedback]) -> list[Opinion]:
    """Feedback as opinions."""
    return [
        Opinion(
            key=one.key,
            digest=one.digest,
            at=one.at,
            source=one.source,
            via=one.via,
            kind=one.kind,
            labels=one.labels,
        )
        for one in feedback
    ]


def last_answers(rows: Iterable[tuple[int, LoggedPrediction]], kept: set[str]) -> list[LoggedPrediction]:
    """The last usable answer about each kept image, in the order of arrival."""
    found: dict[str, LoggedPrediction] = {}
    for _, row in rows:
        if row.digest in kept and row.probabilities is not None:
            found.pop(row.digest, None)
            found[row.digest] = row
    return list(found.values())


def views_of(rows: Iterable[LoggedPrediction]) -> Mapping[str, ModelView]:
    """What the model says, by digest, of answers with probabilities."""
    return {row.digest: view for row, view in _with_views(rows)}


def _with_views(rows: Iterable[LoggedPrediction]) -> Iterator[_Viewed]:
    for row in rows:
        if row.probabilities is not None and row.label is not None:
            said = (row.decision or ()) if row.model.multi_label else (row.label,)
            label = ("label", tuple(sorted(said))) if said else ("none", ())
            yield row, ModelView(row.probabilities, label, row.verdict == "sure")  # type: ignore[arg-type]


def _in_order(log: PredictionLog, rows: Sequence[LoggedPrediction], events: Events) -> list[ReviewItem]:
    """Images that somebody spoke about, then the most informative others; of near-duplicates the first."""
    said = {one.digest for one in log.feedback()}
    known = list(_with_views(rows))
    spoken = [pair for pair in known if pair[0].digest in said]
    others = [pair for pair in known if pair[0].digest not in said]
    shown = [*spoken, *(others[place] for place in _order(others).tolist())]
    digests = [row.digest for row, _ in shown]
    copies = group_copies(len(shown), lambda place: log.image(digests[place]), on_progress=events.reading)
    sizes = np.bincount(copies, minlength=len(shown))
    return [
        ReviewItem(
            digest=row.digest,
            name=row.digest[:SHORT],
            occasion="uncertain",
            verdict=row.verdict,
            candidates=row.candidates,
            view=view,
            copies=int(sizes[copies[place]]) - 1,
        )
        for place, (row, view) in enumerate(shown)
        if copies[place] == place or place < len(spoken)
    ]


def _order(others: Sequence[_Viewed]) -> NDArray[np.int64]:
    """Places of the images to be shown, most informative first."""
    if not others:
        return np.zeros(0, np.int64)
    rows = [row for row, _ in others]
    order = choose_images(
        np.stack([view.probabilities for _, view in others]),
        embeddings=_placed(rows),
        is_strange=np.array([row.verdict == "unknown" for row in rows]),
        outputs=SIGMOID if rows[0].model.multi_label else SOFTMAX,
    )
    return order[:MOST_SHOWN]


def _placed(rows: Sequence[LoggedPrediction]) -> NDArray[np.float32] | None:
    """(rows, components) embeddings; None where there are none, or one has none."""
    placed = [row.embedding for row in rows if row.embedding is not None]
    return np.stack(placed) if placed and len(placed) == len(rows) else None


def open_log(request: ReviewRequest, environment: Mapping[str, str]) -> PredictionLog:
    """Open the log that was named; it is never made.

    Raises:
        UsageError: the address cannot be used.
        NoLogError: there is no log.
        LogUnavailableError: it cannot be reached.
    """
    address = parse_address(request.log or "", environment=environment)
    return PredictionLog.open(address, create=False)


def confirmed_labels(log: PredictionLog, *, model_id: str | None = None) -> tuple[Settled, ...]:
    """Settle all feedback of a log, with what the model says of the same images.

    Args:
        log: open.
        model_id: of the model whose answers count; None: the last answer about each image.

    Raises:
        LogUnavailableError: the log is lost.
    """
    feedback = log.feedback()
    rows = last_answers(log.predictions(model_id), {one.digest for one in feedback})
    classes = rows[-1].model.classes if rows else ()
    same = [row for row in rows if row.model.classes == classes]
    return settle(opinions_of(feedback), classes=classes, views=views_of(same))


def group_copies(
    count: int, read: Callable[[int], bytes | None], *, on_progress: Callable[[int, int], None] | None = None
) -> NDArray[np.int64]:
    """Number some images so that near-duplicates share a number; one that cannot be used stands alone.

    Args:
        count: of the images.
        read: gives the bytes of an image file by its place.
        on_progress: called with (images done, images in all).
    """
    packed = np.zeros((count, FINGERPRINT_BYTES), np.uint8)
    usable = np.zeros(count, np.bool_)
    for place in range(count):
        data = read(place)
        try:
            if data is not None:
                packed[place] = fingerprint_image(decode_image(data, at_least=AT_LEAST).image)
                usable[place] = True
        except ImageError:
            pass  # it is shown to a reviewer as what it is: an image that cannot be used
        if on_progress is not None:
            on_progress(place + 1, count)
    pairs = find_near_duplicates(unpack_fingerprints(packed), np.flatnonzero(usable))
    return join_links(count, [(pair.first, pair.second) for pair in pairs])
