"""References and streams, drawn from tables of answers without an image twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.drifting.tables import Table
from vidi.model_file.drift_reference import DriftReference, Histogram, Projection, ReferenceImages
from vidi.model_file.limits import VERDICTS, Verdict
from vidi.monitoring.reference import apart_from_axes, place_embeddings, thin_out
from vidi.monitoring.traffic import ModelTraffic

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """A reference, and the rows that are left for the stream, in random order."""

    reference: DriftReference
    projection: Projection
    answers: Rows  # of the reference
    images: Rows  # of its qualities
    placed: Rows  # of its embeddings
    left: Rows
    random: np.random.Generator


def draw_reference(clean: Table, count: int, *, seed: Sequence[int]) -> Drawn:
    """Draw a reference of so many images of known classes, as `vidi train` makes one of a calibration part."""
    random = np.random.default_rng(seed)
    order = random.permutation(np.flatnonzero(clean.labels >= 0))
    answers, left = order[:count], order[count:]
    images = answers[thin_out(count)]
    predicted = clean.probabilities[answers].argmax(axis=1)
    groups = np.arange(len(images))
    embeddings = place_embeddings(clean.embeddings[images].astype(np.float32), groups, clean.novelty[images])
    verdicts: dict[Verdict, int] = {
        name: int((clean.verdicts[answers] == number).sum()) for number, name in enumerate(VERDICTS)
    }
    reference = DriftReference(
        basis="calibration",
        answer_count=count,
        group_count=count,
        classes=tuple(np.bincount(predicted, minlength=clean.probabilities.shape[1]).tolist()),
        verdicts=verdicts,
        confidence=Histogram.of(clean.probabilities[answers].max(axis=1)),
        images=ReferenceImages(
            part="calibration",
            image_count=len(images),
            group_count=len(images),
            qualities={name: Histogram.of(values[images]) for name, values in clean.qualities.items()},
            embeddings=embeddings,
        ),
        novelty=Histogram.of_tail(clean.novelty[answers]),
    )
    return Drawn(
        reference=reference,
        projection=embeddings.projection(),
        answers=answers,
        images=images,
        placed=images[apart_from_axes(groups)],
        left=left,
        random=np.random.default_rng([*seed, 1]),
    )


def mix(usual: Rows, special: Rows, share: float, *, onset: int, count: int, random: np.random.Generator) -> Rows:
    """Rows of a stream: from the onset on, each image is a special one with this chance.

    The usual ones are drawn without replacement, and so are the special ones as long as there are enough of them.
    """
    is_special = random.random(count) < share
    is_special[:onset] = False
    rows = random.permutation(usual)[:count]
    drawn = int(is_special.sum())
    if drawn:
        rows[is_special] = np.resize(random.permutation(special), drawn)
    return rows


def as_traffic(before: Table, after: Table, rows: Rows, *, onset: int, projection: Projection) -> ModelTraffic:
    """The rows of one table up to the onset, then those of the other."""
    first, then = rows[:onset], rows[onset:]

    def both(name: str) -> NDArray[np.floating]:
        one, other = object.__getattribute__(before, name), object.__getattribute__(after, name)
        return np.concatenate([one[first], other[then]])

    probabilities = both("probabilities").astype(np.float32)
    said = np.zeros(probabilities.shape, np.bool_)
    said[np.arange(len(rows)), probabilities.argmax(axis=1)] = True
    return ModelTraffic(
        at=np.arange(len(rows), dtype=np.float64),
        digests=[str(number) for number in range(len(rows))],
        probabilities=probabilities,
        said=said,
        verdicts=[VERDICTS[number] for number in both("verdicts").astype(int).tolist()],
        novelty=both("novelty").astype(np.float32),
        embeddings=projection.place(both("embeddings")),
        qualities={
            name: np.concatenate([before.qualities[name][first], after.qualities[name][then]])
            for name in before.qualities
        },
    )
