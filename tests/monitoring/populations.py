"""A made-up population of images: references and traffic of one source, and of a changed one."""

import numpy as np

from vidi.images.statistics import QUALITIES
from vidi.model_file.drift_reference import DriftReference, Histogram, ReferenceImages
from vidi.model_file.limits import VERDICTS, Basis, Verdict
from vidi.monitoring.reference import place_embeddings
from vidi.monitoring.traffic import ModelTraffic

CLASSES, FEATURES, COMPONENTS = 5, 24, 16
SHARES = np.array([0.4, 0.3, 0.15, 0.1, 0.05])


class Rows:
    """Some images of the population: long tails, qualities that take few values, confidences that tie."""

    def __init__(
        self,
        random: np.random.Generator,
        count: int,
        *,
        shares: np.ndarray = SHARES,
        far: float = 0.0,
        outliers: float = 0.0,
    ):
        self.labels = random.choice(CLASSES, count, p=shares)
        centres = np.random.default_rng(7).normal(size=(CLASSES, FEATURES)) * 2
        scale = np.exp(0.4 * random.normal(size=(count, 1)))
        self.embeddings = (centres[self.labels] + scale * random.standard_t(4, size=(count, FEATURES)) + far).astype(
            np.float32
        )
        self.novelty = np.linalg.norm(self.embeddings - centres[self.labels], axis=1).astype(np.float32)
        self.is_stranger = random.random(count) < outliers  # of one new class, called by the names of the known ones
        self.novelty[self.is_stranger] *= 2
        self.embeddings[self.is_stranger] += np.random.default_rng(8).normal(size=FEATURES).astype(np.float32)
        sure = np.minimum(1.0, random.beta(3, 1, count) * 1.2 - far / 10)
        self.probabilities = np.full((count, CLASSES), 0.0, np.float32)
        self.probabilities += ((1 - sure) / (CLASSES - 1))[:, None].astype(np.float32)
        self.probabilities[np.arange(count), self.labels] = sure
        self.said = np.eye(CLASSES, dtype=np.bool_)[self.probabilities.argmax(axis=1)]
        self.verdicts = np.where(random.random(count) < 0.01, 2, (sure < 0.8).astype(int))
        light = random.normal(120, 30, count) - 20 * far
        self.qualities = {
            "brightness": light,
            "contrast": np.abs(light / 3 + random.normal(0, 5, count)),
            "saturation": np.zeros(count),
            "sharpness": random.lognormal(2, 0.8, count),
            "side": random.choice([32.0, 48.0, 64.0], count),
            "aspect": random.choice([4 / 3, 3 / 4, 1.0], count),
        }


def draw_reference(
    random: np.random.Generator, *, answers: int = 600, images: int = 400, basis: Basis = "calibration"
) -> DriftReference:
    """A reference of the undisturbed population."""
    rows, few = Rows(random, answers), min(answers, images)
    verdicts: dict[Verdict, int] = {name: int((rows.verdicts == n).sum()) for n, name in enumerate(VERDICTS)}
    return DriftReference(
        basis=basis,
        answer_count=answers,
        group_count=answers,
        classes=tuple(rows.said.sum(axis=0).tolist()),
        verdicts=verdicts,
        confidence=Histogram.of(rows.probabilities.max(axis=1)),
        images=ReferenceImages(
            part="calibration",
            image_count=few,
            group_count=few,
            qualities={name: Histogram.of(rows.qualities[name][:few]) for name in QUALITIES},
            embeddings=place_embeddings(rows.embeddings[:few], np.arange(few), rows.novelty[:few]),
        ),
        novelty=Histogram.of_tail(rows.novelty),
    )


def traffic_of(rows: Rows, reference: DriftReference) -> ModelTraffic:
    """Rows as traffic of the model with this reference, as a log gives them back."""
    assert reference.images is not None
    assert reference.images.embeddings is not None
    count = len(rows.labels)
    return ModelTraffic(
        at=np.arange(count, dtype=np.float64),
        digests=[f"{number:x}" for number in range(count)],
        probabilities=rows.probabilities,
        said=rows.said,
        verdicts=[VERDICTS[number] for number in rows.verdicts.tolist()],
        novelty=rows.novelty,
        embeddings=reference.images.embeddings.projection().place(rows.embeddings),
        qualities={name: values.astype(np.float32) for name, values in rows.qualities.items()},
    )
