"""Rows of a log with exact numbers, for tests."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.model_file.tiny import tiny_metadata, tiny_network
from vidi.images.statistics import QUALITIES, ImageStatistics
from vidi.log.records import Feedback, LoggedModel, LoggedPrediction, new_key
from vidi.model_file.read import ModelFile
from vidi.model_file.write import write_model
from vidi.monitoring.reference import UnseenImages, make_reference

MODEL = LoggedModel(model_id="5f1d", name="pets", version="1", classes=("cat", "dog", "Käuzchen"))
STATISTICS = ImageStatistics(brightness=100.1, contrast=30, saturation=12.5, sharpness=3, side=640, aspect=4 / 3)


def digest(number: int) -> str:
    """The digest of an image that is a number."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def prediction(number: int, *, model: LoggedModel = MODEL, at: float | None = None) -> LoggedPrediction:
    """An answer that no other number has."""
    first = 0.5 + number / 1e4
    return LoggedPrediction(
        key=new_key(),
        at=1000.0 + number if at is None else at,
        source="serve",
        model=model,
        digest=digest(number),
        probabilities=np.array([first, 0.9 - first, 0.1], np.float32),
        label="cat",
        verdict="unsure",
        candidates=("cat", "dog"),
        novelty=number / 7,
        embedding=np.linspace(-number, number, 8, dtype=np.float32),
        statistics=replace(STATISTICS, brightness=float(number)),
    )


def refused(number: int) -> LoggedPrediction:
    """An image that could not be used."""
    return LoggedPrediction(
        key=new_key(), at=1000.0 + number, source="predict", model=MODEL, digest=digest(number), error="truncated"
    )


def feedback(number: int, key: str | None = None, *, source: str = "ann", at: float = 2000.0) -> Feedback:
    """Somebody says that an image is a dog."""
    return Feedback(
        key=key or new_key(),
        at=at,
        digest=digest(number),
        kind="label",
        labels=("dog",),
        source=source,
        via="review",
        model_id="5f1d",
    )


def tiny_with_reference(path: Path) -> ModelFile:
    """A tiny model file whose drift reference places embeddings."""
    metadata, random = tiny_metadata(), np.random.default_rng(0)
    qualities = random.uniform(1, 99, (60, len(QUALITIES))).tolist()
    images = UnseenImages(
        part="validation",
        embeddings=random.normal(size=(60, 4)).astype(np.float32),
        statistics=[ImageStatistics(**dict(zip(QUALITIES, row, strict=True))) for row in qualities],
        groups=np.arange(60),
    )
    reference = make_reference(
        random.dirichlet([1, 1, 1], 60).astype(np.float32),
        metadata,
        basis="calibration",
        groups=None,
        novelty=None,
        images=images,
    )
    return write_model(path, tiny_network(), replace(metadata, drift_reference=reference))
