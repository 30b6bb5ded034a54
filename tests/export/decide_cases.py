"""Models and probabilities of every kind, drawn at random, with what `decide` makes of them: the twin's table."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.images.framing import Framing
from vidi.model_file.decisions import confidence
from vidi.model_file.limits import ALL_CLASSES, ClassPoint, OperatingPoints, VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.schema import metadata_to_json
from vidi.model_file.values import Json
from vidi.prediction.prediction import decide

Row = NDArray[np.float32]
RANKINGS = ("probability", "margin", "normalised-logit")


@dataclass(frozen=True)
class DrawnCase:
    """One image's probabilities under one model."""

    metadata: ModelMetadata
    row: Row
    novelty: float | None

    def as_json(self) -> dict[str, Json]:
        """The case with its answer, for another language."""
        answer = decide(self.row, self.metadata, novelty=self.novelty)
        return {
            "metadata": metadata_to_json(self.metadata),
            "probabilities": [float(value) for value in self.row],
            "novelty": self.novelty,
            "answer": {
                "label": answer.label,
                "labelIndex": answer.label_index,
                "probability": answer.probability,
                "probabilities": [float(value) for value in self.row],
                "verdict": answer.verdict,
                "candidates": list(answer.candidates),
                "decision": None if answer.decision is None else list(answer.decision),
                "predicted": list(answer.predicted),
                "novelty": self.novelty,
                "multiLabel": answer.multi_label,
                "described": answer.describe(),
            },
        }


def drawn_cases(count: int, seed: int = 0) -> Iterator[DrawnCase]:
    """Cases of every kind; in a third of them probabilities are equal, in half a limit is met exactly."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        classes = tuple(f"class {index}" for index in range(random.integers(2, 12)))
        several = bool(random.random() < 0.4)
        row = _row(random, len(classes), several=several)
        points = _points(random, classes, row, several=several) if random.random() < 0.5 else None
        novelty = None if random.random() < 0.3 else float(np.float32(random.uniform(0, 2)))
        bare = ModelMetadata(
            classes=classes, framing=Framing(size=(16, 16)), multi_label=several, operating_points=points
        )
        limits = _limits(random, bare, row, novelty) if random.random() < 0.8 else None
        metadata = ModelMetadata(
            classes=classes,
            framing=Framing(size=(16, 16)),
            multi_label=several,
            operating_points=points,
            verdict=limits,
        )
        yield DrawnCase(metadata, row, novelty)


def _row(random: np.random.Generator, count: int, *, several: bool) -> Row:
    values = random.random(count) ** random.integers(1, 6)
    if random.random() < 0.35:
        values = random.integers(0, 4, count) / 4 + 0.0625  # equal ones among them
    if not several:
        values = values / values.sum()
    return np.minimum(values, 1).astype(np.float32)


def _limits(random: np.random.Generator, bare: ModelMetadata, row: Row, novelty: float | None) -> VerdictLimits:
    ranking = ALL_CLASSES if bare.multi_label else RANKINGS[random.integers(len(RANKINGS))]
    candidate = _met_or_not(random, float(random.choice(row)), float(random.random()))
    unsure = VerdictLimits(
        basis="calibration", image_count=100, ranking=ranking, max_error=0.05, level=0.95, coverage=0.9
    )
    called = np.zeros(len(row), np.bool_)
    named = decide(row, bare).decision or ()
    called[[bare.classes.index(name) for name in named]] = True
    score = float(confidence(row[None], unsure, called=called[None])[0])
    # A logarithm's last digit is not the same on every host: that limit is met by a little more, or missed by it.
    met = score if ranking != "normalised-logit" else score + float(random.choice([-1e-6, 1e-6]))
    return VerdictLimits(
        basis="calibration",
        image_count=100,
        ranking=ranking,
        max_error=0.05,
        level=0.95,
        coverage=0.9,
        sure=_met_or_not(random, met, float(random.random())),
        candidate=candidate,
        novelty=_met_or_not(random, novelty if novelty is not None else 1.0, float(random.uniform(0, 2))),
    )


def _met_or_not(random: np.random.Generator, met: float, other: float) -> float | None:
    """A limit that is met exactly, or any, or none."""
    chance = random.random()
    return met if chance < 0.5 else other if chance < 0.85 else None


def _points(random: np.random.Generator, classes: tuple[str, ...], row: Row, *, several: bool) -> OperatingPoints:
    if not several and random.random() < 0.4:
        costs = random.integers(0, 5, (len(classes), len(classes))) * (1 - np.eye(len(classes)))
        table = tuple(tuple(float(value) for value in line) for line in costs)
        return OperatingPoints(
            measure="costs", share=None, level=0.95, basis="calibration", image_count=100, costs=table
        )
    named = classes if several or random.random() < 0.5 else (classes[random.integers(len(classes))],)
    points = tuple(
        _point(name, _met_or_not(random, min(1.0, float(row[index])), float(random.random())))
        for index, name in enumerate(classes)
        if name in named and (len(named) == 1 or random.random() < 0.9)
    )
    positive = named[0] if len(named) == 1 and not several and points else None
    return OperatingPoints(
        measure="recall",
        share=0.9,
        level=0.95,
        basis="calibration",
        image_count=100,
        positive=positive,
        points=points,
    )


def _point(name: str, threshold: float | None) -> ClassPoint:
    return ClassPoint(
        name=name,
        threshold=threshold,
        is_promised=False,
        bound=None,
        image_count=10,
        found=5,
        other_count=10,
        alarms=1,
    )
