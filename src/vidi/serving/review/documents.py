"""What the review page is sent: an image and what is known of it, as JSON."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vidi.labelling.agree import Reason, Settled
from vidi.labelling.opinions import Answer, Opinion
from vidi.model_file.values import Json
from vidi.numbers import percent
from vidi.prediction.words import describe_answer
from vidi.workflows.reviewing.desk import ReviewDesk, ReviewView
from vidi.workflows.reviewing.items import Occasion, ReviewItem

MOST_TOP = 9  # classes of the model's answer that are shown with their probabilities

OCCASIONS: Mapping[Occasion, str] = {
    "conflicting-labels": "The same image has two labels.",
    "suspect-label": "Its label is likely wrong.",
    "no-label": "It has no label.",
    "uncertain": "",
}
REASONS: Mapping[Reason, str] = {
    "people-disagree": "People disagree.",
    "unknown-class": "Somebody named a class that the model does not know.",
    "contradicts-sure": "Somebody contradicts a sure answer of the model.",
    "unlikely-label": "Somebody gave a label that the model finds very unlikely.",
    "doubtful-source": "The label comes from a source that others often contradict.",
    "over-share": "Its source has given more than its share.",
}


def settings_document(desk: ReviewDesk, *, after: Sequence[str] = ()) -> dict[str, Json]:
    """What stays the same while the page is open.

    Args:
        desk: of the review.
        after: commands for when nothing is left.
    """
    return {
        "title": desk.source.title,
        "classes": list(desk.source.classes),
        "multi_label": desk.source.multi_label,
        "reviewer": desk.reviewer,
        "after": list(after),
    }


def view_document(view: ReviewView, classes: Sequence[str]) -> dict[str, Json]:
    """What a window shows now."""
    return {
        "image": None if view.item is None else _image(view.item, view.settled, classes),
        "disputes": [
            {"digest": one.digest, "opinions": [_opinion(said) for said in one.opinions]} for one in view.disputes
        ],
        "progress": {"images": view.progress.images, "left": view.progress.left, "yours": view.progress.yours},
        "can_undo": view.can_undo,
    }


def _image(item: ReviewItem, settled: Settled | None, classes: Sequence[str]) -> dict[str, Json]:
    why = OCCASIONS[item.occasion]
    if settled is not None and settled.why is not None:
        why = REASONS[settled.why]
    return {
        "digest": item.digest,
        "name": item.name,
        "why": why,
        "given": list(item.given),
        "copies": item.copies,
        **_seen(item, classes),
        "opinions": [] if settled is None else [_opinion(one) for one in settled.opinions],
    }


def _seen(item: ReviewItem, classes: Sequence[str]) -> dict[str, Json]:
    """What a model sees. The one that learned a doubtful label would repeat it, so the held-out answer stands alone."""
    if item.suggested is not None:
        label, probability = item.suggested
        held_out: list[Json] = [_share(label, probability)] if label in classes else []
        answer = f"A model that did not learn from this image says {label}, {percent(probability)}."
        return {"verdict": None, "candidates": [label], "answer": answer, "top": held_out}
    if item.view is None:
        return {"verdict": item.verdict, "candidates": list(item.candidates), "answer": None, "top": []}
    is_known = item.verdict != "unknown"
    return {
        "verdict": item.verdict,
        "candidates": list(item.candidates) if is_known else [],
        "answer": f"The model says: {describe_answer(item.verdict, item.view.label[1], several=True)}",
        "top": _top(item.view.probabilities, classes, with_shares=is_known),
    }


def _top(rows: NDArray[np.float32], classes: Sequence[str], *, with_shares: bool) -> list[Json]:
    order = sorted(range(len(rows)), key=lambda index: (-float(rows[index]), index))
    return [_share(classes[index], float(rows[index]) if with_shares else None) for index in order[:MOST_TOP]]


def _share(label: str, probability: float | None) -> dict[str, Json]:
    return {"class": label, "share": "" if probability is None else percent(probability)}


def _opinion(one: Opinion) -> dict[str, Json]:
    who = one.source if one.via == "review" else f"client {one.source}"
    return {"who": who, "said": answer_words(one.answer)}


def answer_words(answer: Answer) -> str:
    """An answer as people read it.

    >>> answer_words(("label", ("cat", "dog"))), answer_words(("none", ()))
    ('cat, dog', 'none of these')
    """
    kind, labels = answer
    return ", ".join(labels) if kind == "label" else {"none": "none of these", "unclear": "cannot tell"}[kind]
