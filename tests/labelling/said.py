"""Opinions and views for the tests, in a word each."""

import numpy as np

from vidi.data.labels import Kind, Opinion, Via
from vidi.labelling import ModelView, Settled, settle

CLASSES = ("cat", "dog", "hen")


def opinion(image: str, source: str, answer: str, *, via: Via = "server", at: float = 0.0, key: str = "") -> Opinion:
    """What somebody says: a class, `none`, or `?` for unclear."""
    kind: Kind = "none" if answer == "none" else "unclear" if answer == "?" else "label"
    labels = (answer,) if kind == "label" else ()
    key = key or f"{image} {source} {via} {at} {answer}"
    return Opinion(key=key, digest=image, at=at, source=source, via=via, kind=kind, labels=labels)


def reviewed(image: str, source: str, answer: str, *, at: float = 0.0) -> Opinion:
    """What a reviewer of the operator's own says."""
    return opinion(image, source, answer, via="review", at=at)


def view(label: str, probability: float = 0.9, *, is_sure: bool = False) -> ModelView:
    """What a model says."""
    rest = (1 - probability) / (len(CLASSES) - 1)
    rows = np.array([probability if name == label else rest for name in CLASSES], np.float32)
    return ModelView(rows, ("label", (label,)), is_sure)


def one(*opinions: Opinion, **views: ModelView) -> Settled:
    """The one image that the opinions are about."""
    (settled,) = settle(opinions, classes=CLASSES, views=views)
    return settled
