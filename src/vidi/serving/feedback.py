"""What a client says of an answer: read strictly, with a source that it cannot choose freely."""

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vidi.errors import UsageError
from vidi.log.records import Feedback, FeedbackKind, check_digest
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import Json
from vidi.serving.json_body import list_in, object_in, parse_json_body, text_in
from vidi.serving.problems import Problem

HOUR: Final = 3_600.0  # seconds
KIND_OF: Final[Mapping[str, FeedbackKind]] = {"labels": "label", "none": "none", "unclear": "unclear"}
MEMBERS: Final = ("digest", *KIND_OF, "model", "key", "client")
LONGEST_KEY: Final = 100  # signs
MOST_SOURCES: Final = 10_000  # that are remembered
LOCAL: Final = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFeedback:
    """The body of a request, read but not held to a model's classes."""

    digest: str
    kind: FeedbackKind
    labels: tuple[str, ...]
    model: str | None
    key: str | None
    client: str | None


def read_feedback(body: bytes) -> SentFeedback:
    """The body of `POST /v1/feedback`.

    Raises:
        Problem: it is malformed, or says nothing, or two things.

    >>> read_feedback(b'{"digest": "%s", "none": true}' % (b"0" * 64)).kind
    'none'
    """
    document = object_in(parse_json_body(body), "The body")
    if unknown := sorted(set(document) - set(MEMBERS)):
        raise Problem(
            "invalid-input", f"The body has an unknown member {unknown[0][:60]!r}.", f"Known: {', '.join(MEMBERS)}."
        )
    said = [name for name in KIND_OF if name in document]
    if len(said) != 1:
        raise Problem("invalid-input", f"The body says {len(said)} things.", "Give `labels`, `none` or `unclear`.")
    labels: list[str] = []
    if said == ["labels"]:
        labels = [text_in(one, "A label") for one in list_in(document["labels"], "`labels`")]
        if not labels:
            raise Problem("invalid-input", "`labels` is empty.", "Leave it out, and give `none` or `unclear`.")
    elif document[said[0]] is not True:
        raise Problem("invalid-input", f"`{said[0]}` is not true.", "Leave it out where it is not.")
    return SentFeedback(
        digest=_digest(document),
        kind=KIND_OF[said[0]],
        labels=tuple(labels),
        model=_text(document, "model"),
        key=_text(document, "key"),
        client=_text(document, "client"),
    )


def feedback_of(sent: SentFeedback, metadata: ModelMetadata, *, model_id: str, source: str, at: float) -> Feedback:
    """The feedback that a request amounts to.

    Args:
        sent: by the client.
        metadata: of the model that it is about.
        model_id: of that model.
        source: who sent it, of `source_of`.
        at: seconds since 1970, UTC.

    Raises:
        Problem: a label is none of the model's classes, or there are several and an image shows one.
    """
    unknown = [label for label in sent.labels if label not in metadata.classes]
    if unknown:
        raise Problem(
            "invalid-input",
            f"{unknown[0][:60]!r} is no class of the model.",
            'Use its classes; {"none": true} says that it is none of them.',
        )
    if len(sent.labels) > 1 and not metadata.multi_label:
        raise Problem("invalid-input", f"The body has {len(sent.labels)} labels.", "An image has one class here.")
    labels = tuple(dict.fromkeys(sent.labels))
    said = json.dumps([sent.digest, sent.kind, sorted(labels), model_id])  # without a key, the same words count once
    try:
        return Feedback(
            key=f"{source}:{sent.key or hashlib.sha256(said.encode()).hexdigest()[:32]}",
            at=at,
            digest=sent.digest,
            kind=sent.kind,
            labels=labels,
            source=source,
            via="server",
            model_id=model_id,
        )
    except UsageError as error:
        raise Problem("invalid-input", error.cause, error.remedy) from error


def source_of(authorization: str, client: str | None) -> str:
    """Who sends feedback: the token's short hash where there is one, else that of the name that the client gives.

    A client with a token cannot make itself several sources by several names. The hash is too short to guess a token
    by.

    Args:
        authorization: the request's header, which the doorkeeper has judged; empty where no token is asked for.
        client: the name in the body.

    >>> source_of("", None), source_of("Bearer secret", "ann") == source_of("Bearer secret", "ben")
    ('local', True)
    """
    if authorization:
        return f"token-{_short(authorization.partition(' ')[2].strip())}"
    return LOCAL if client is None else f"client-{_short(client)}"


class Allowance:
    """How much one source may send within an hour. For one thread."""

    def __init__(self, most: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._now = most, now
        self._sent: dict[str, deque[float]] = {}

    def spend(self, source: str) -> None:
        """Count one more.

        Raises:
            Problem: the source has sent as much as it may.
        """
        now = self._now()
        times = self._sent.pop(source, None) or deque()
        while times and times[0] <= now - HOUR:
            times.popleft()
        self._sent[source] = times  # last: whoever was silent longest is forgotten first
        while len(self._sent) > MOST_SOURCES:
            self._sent.pop(next(iter(self._sent)))
        if len(times) >= self._most:
            wait = max(1, round(times[0] + HOUR - now))
            raise Problem(
                "too-many",
                f"{self._most:,} came from this source within an hour.",
                "Send more later.",
                headers={"Retry-After": str(wait)},
            )
        times.append(now)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _digest(document: Mapping[str, Json]) -> str:
    try:
        return check_digest(text_in(document.get("digest"), "`digest`"))
    except UsageError as error:
        raise Problem("invalid-input", f"{error.cause}.", "Give the SHA-256 of the image file.") from error


def _text(document: Mapping[str, Json], name: str) -> str | None:
    if name not in document:
        return None
    text = text_in(document[name], f"`{name}`")
    if not text or len(text) > LONGEST_KEY or not text.isprintable():
        raise Problem("invalid-input", f"`{name}` is {text[:60]!r}.", f"Use 1 to {LONGEST_KEY} printable signs.")
    return text
