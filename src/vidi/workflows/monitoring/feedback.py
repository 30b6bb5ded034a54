"""How good the answers are by what people said of the images."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vidi.log.records import Feedback, LoggedPrediction
from vidi.metrics.intervals import wilson_interval
from vidi.model_file.decisions import say
from vidi.model_file.metadata import ModelMetadata

Said = frozenset[str]  # classes


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackAccuracy:
    """Answers beside people's words about the same images."""

    images: int  # that were answered and have feedback
    judged: int  # of these, with a clear and undisputed class
    right: int
    unclear: int  # nobody could tell
    disagreed: int  # people say different things
    value: float | None  # right of judged
    low: float | None  # of the 95 % interval
    high: float | None


class NotedAnswers:
    """Rows that pass, and what was last said of some images."""

    def __init__(self, metadata: ModelMetadata, wanted: Collection[str]) -> None:
        """
        Args:
            metadata: of the model that answered.
            wanted: digests of the images.
        """
        self.answers: dict[str, Said] = {}
        self._metadata = metadata
        self._wanted = frozenset(wanted)

    def passing(self, rows: Iterable[LoggedPrediction]) -> Iterator[LoggedPrediction]:
        """The rows as they are."""
        classes = self._metadata.classes
        for row in rows:
            if row.digest in self._wanted and row.probabilities is not None:
                called = say(row.probabilities[None], self._metadata)[0]
                self.answers[row.digest] = frozenset(classes[index] for index in called.nonzero()[0].tolist())
            yield row


def judge_by_feedback(answers: Mapping[str, Said], feedback: Sequence[Feedback]) -> FeedbackAccuracy:
    """Compare what the model said with what people say; of one person the last word counts.

    An image on which people disagree is left out, and so is one that nobody could tell. “None of the classes” makes
    every class wrong.

    Args:
        answers: by the image's digest, the classes that the model named.
        feedback: in the order of arrival, of any images.
    """
    words = _last_words(feedback)
    right = judged = unclear = disagreed = 0
    for digest, said in answers.items():
        clear = {frozenset(one.labels) for one in words.get(digest, ()) if one.kind != "unclear"}
        if len(clear) == 1:
            judged += 1
            right += said in clear
        elif clear:
            disagreed += 1
        else:
            unclear += 1
    interval = wilson_interval(right, judged) if judged else None
    return FeedbackAccuracy(
        images=len(answers),
        judged=judged,
        right=right,
        unclear=unclear,
        disagreed=disagreed,
        value=right / judged if judged else None,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
    )


def _last_words(feedback: Sequence[Feedback]) -> Mapping[str, Collection[Feedback]]:
    """By image, the last word of each source."""
    words: dict[str, dict[str, Feedback]] = {}
    for one in feedback:
        words.setdefault(one.digest, {})[one.source] = one
    return {digest: of_sources.values() for digest, of_sources in words.items()}
