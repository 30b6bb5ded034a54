"""The rows of a prediction log as values, and the errors of a log that cannot be used."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError, ModelError, ResourceError, UsageError
from vidi.images.statistics import ImageStatistics
from vidi.model_file.limits import Verdict

Source = Literal["serve", "predict", "page"]
FeedbackKind = Literal["label", "none", "unclear"]  # it is …; none of the classes; cannot tell
Via = Literal["server", "review"]
Taken = Literal["new", "known", "differs"]  # written now; there already; its key is there with other words

KINDS: Final[tuple[FeedbackKind, ...]] = get_args(FeedbackKind)
MOST_LABELS: Final = 1_000  # in one piece of feedback
LONGEST_LABEL: Final = 500  # signs
LONGEST_NAME: Final = 200  # signs of a source or a key

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
Trouble = Literal["locked", "full", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """The model that gave an answer."""

    model_id: str
    name: str  # on the server, or the file's name
    version: str
    classes: tuple[str, ...]
    multi_label: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoggedPrediction:
    """One answer about one image, or why there is none."""

    key: str  # of `new_key`: a row is written once, however often it is tried
    at: float  # seconds since 1970, UTC; answers of one call have one time
    source: Source
    model: LoggedModel
    digest: str  # SHA-256 of the image file's bytes, hex
    error: str | None = None  # reason code; then all below is None or empty
    probabilities: NDArray[np.float32] | None = None  # (classes,); also None where the page did not send them
    label: str | None = None
    verdict: Verdict | None = None
    candidates: tuple[str, ...] = ()
    decision: tuple[str, ...] | None = None
    novelty: float | None = None
    embedding: NDArray[np.float32] | None = None  # (components,), on the axes of the model's reference
    statistics: ImageStatistics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What somebody said of one image."""

    key: str  # chosen by who sends it; the same one counts once
    at: float  # seconds since 1970, UTC
    digest: str  # SHA-256 of the image file's bytes, hex
    kind: FeedbackKind
    labels: tuple[str, ...] = ()  # one, or several of a model with several labels; none unless `kind` is "label"
    source: str  # who: a reviewer's name, or the short hash of a token or client
    via: Via
    model_id: str | None = None  # whose answer was seen

    def __post_init__(self) -> None:
        check_digest(self.digest)
        for what, text, most in (("key", self.key, LONGEST_NAME), ("source", self.source, LONGEST_NAME)):
            _check_text(f"the feedback's {what}", text, most)
        for label in self.labels:
            _check_text("a label of the feedback", label, LONGEST_LABEL)
        if self.kind not in KINDS:
            raise UsageError(f"feedback of the kind {self.kind!r}", f"Use one of: {', '.join(KINDS)}.")
        if (self.kind == "label") != bool(self.labels) or len(self.labels) > MOST_LABELS:
            raise UsageError(
                f"feedback of the kind {self.kind!r} with {len(self.labels):,} labels",
                f'Give 1 to {MOST_LABELS:,} labels with the kind "label", and none with another.',
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedImage:
    """One image file that the log keeps."""

    digest: str
    at: float  # when it was first kept, seconds since 1970, UTC
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """A class that was in view of a watched source for some time."""

    id: str
    at: float  # when it began, or was first told of a file without dates; seconds since 1970, UTC
    state: str  # "new", "update" or "end": what was told last
    source: str  # without password
    model_id: str
    label: str
    began: float  # seconds since the source's first frame
    last_seen: float  # likewise
    best: float  # the frame that shows it best, likewise
    score: float  # of that frame


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTally:
    """How often one model answered."""

    model: LoggedModel
    predictions: int  # rows, with those of images that could not be used
    refused: int  # of these
    first: float | None  # seconds since 1970, UTC
    last: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogContents:
    """What a log holds, in figures."""

    schema: int
    models: Sequence[ModelTally]
    images: int
    image_bytes: int
    feedback: Mapping[FeedbackKind, int]
    sources: int  # of feedback
    events: int  # of watched sources
    bytes: int  # of the whole log

    @property
    def predictions(self) -> int:
        """Rows about predictions."""
        return sum(one.predictions for one in self.models)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """Rows that were deleted."""

    predictions: int = 0
    feedback: int = 0
    images: int = 0
    events: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.predictions + self.feedback + self.images + self.events

    def __add__(self, other: "Deleted") -> "Deleted":
        return Deleted(
            predictions=self.predictions + other.predictions,
            feedback=self.feedback + other.feedback,
            images=self.images + other.images,
            events=self.events + other.events,
        )


def new_key() -> str:
    """A key that no other row has: 32 hex digits, the time first, so that a database adds new keys at its index's end.

    >>> len(new_key()), new_key() != new_key()
    (32, True)
    """
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def check_digest(text: str) -> str:
    """The text, where it is the SHA-256 of a file as 64 hex digits.

    Raises:
        UsageError: it is not.

    >>> check_digest("0" * 64) == "0" * 64
    True
    """
    if not _DIGEST.fullmatch(text):
        raise UsageError(
            f"{text[:80]!r} is not a digest",
            "Give the SHA-256 of the image file as 64 digits in lower case; `vidi predict --json` prints it.",
        )
    return text


def _check_text(what: str, text: str, most: int) -> None:
    """Refuse what a database cannot keep as text, or nobody needs."""
    is_sound = text.isprintable() and text.encode("utf-8", "replace").decode() == text
    if not text or len(text) > most or not is_sound:
        raise UsageError(f"{what} is {text[:80]!r}", f"Use 1 to {most:,} printable signs.")


class LogUnavailableError(ResourceError):
    """The log cannot be read or written now; `trouble` is its state. What was committed before is there."""

    def __init__(self, trouble: Trouble, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)
        self.args = (trouble, cause, remedy)  # what pickle calls the class with again
        self.trouble = trouble


class NewerLogError(ModelError):
    """The log was written by a newer vidi."""


class NoLogError(DataError):
    """There is no log at an address, or what is there is none."""
