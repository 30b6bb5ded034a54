"""The rows of a prediction log about one model as traffic: each image once, in the order of time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vidi.images.statistics import QUALITIES, ImageStatistics
from vidi.log.records import LoggedPrediction
from vidi.model_file.decisions import say
from vidi.model_file.limits import Verdict
from vidi.model_file.metadata import ModelMetadata
from vidi.monitoring.traffic import ModelTraffic, as_stream

KEPT_WHOLE = 100_000  # different images; of as many more every second is kept, of the next 200,000 every fourth

BLOCK = 4_096  # images


@dataclass(slots=True)
class Counted:
    """Rows that were read, and what became of them."""

    rows: int = 0  # with an answer that can be used
    images: int = 0  # different ones among these
    refused: int = 0  # about images that could not be used
    incomplete: int = 0  # without probabilities, or without what the reference is compared with
    first: float | None = None  # seconds since 1970, UTC
    last: float | None = None


@dataclass(frozen=True, slots=True)
class ComparedImage:
    """One image of the traffic."""

    at: float
    digest: str
    probabilities: NDArray[np.float32]
    verdict: Verdict | None
    novelty: float | None
    embedding: NDArray[np.float32] | None
    statistics: ImageStatistics | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What a row must hold to be compared with a model's reference."""

    class_count: int
    novelty: bool
    components: int | None
    statistics: bool

    @classmethod
    def by(cls, metadata: ModelMetadata) -> "Needed":
        """What the model's reference and limits ask for."""
        reference = metadata.drift_reference
        images = None if reference is None else reference.images
        embeddings = None if images is None else images.embeddings
        return cls(
            class_count=len(metadata.classes),
            novelty=(metadata.verdict is not None and metadata.verdict.novelty is not None)
            or (reference is not None and reference.novelty is not None),
            components=None if embeddings is None else embeddings.component_count,
            statistics=images is not None,
        )

    def kept(self, row: LoggedPrediction) -> ComparedImage | None:
        """What of a row is kept; None where something is missing."""
        probabilities, embedding = row.probabilities, row.embedding if self.components is not None else None
        if probabilities is None or len(probabilities) != self.class_count:
            return None
        if (self.novelty and row.novelty is None) or (self.statistics and row.statistics is None):
            return None
        if self.components is not None and (embedding is None or len(embedding) != self.components):
            return None
        return ComparedImage(row.at, row.digest, probabilities, row.verdict, row.novelty, embedding, row.statistics)


def keep_every(number: int, *, whole: int = KEPT_WHOLE) -> int:
    """Of the images around this one, one of how many is kept.

    It depends on an image's number alone, not on how many follow: what one look has seen, a later one sees again.

    Args:
        number: of the different images before it.
        whole: so many at the beginning are all kept.

    >>> [keep_every(number, whole=10) for number in (0, 9, 10, 19, 20, 39, 40)]
    [1, 1, 2, 2, 4, 4, 8]
    """
    return 1 if number < whole else 2 << (number // whole).bit_length() - 1


def read_traffic(
    rows: Iterable[LoggedPrediction], metadata: ModelMetadata, *, whole: int = KEPT_WHOLE
) -> tuple[ModelTraffic, Counted]:
    """Collect the images to compare, those of one time shuffled, and count the rest.

    Args:
        rows: of one model, in the order of arrival.
        metadata: of the model.
        whole: so many different images are all kept; of more, ever fewer (see `keep_every`).
    """
    counted = Counted()
    kept = _thinned(_once(rows, Needed.by(metadata), counted), whole)
    # Arrays of many images take less memory than the rows of a log: those are held for one block alone.
    blocks = [_as_traffic(block, metadata) for block in iter(lambda: list(islice(kept, BLOCK)), [])]
    traffic = _joined(blocks) if blocks else _as_traffic([], metadata)
    return as_stream(traffic)[1], counted


def _once(rows: Iterable[LoggedPrediction], needed: Needed, counted: Counted) -> Iterator[ComparedImage]:
    """Each image when it first comes: a repeated one is no new evidence."""
    seen: set[int] = set()
    for row in rows:
        if row.error is not None:
            counted.refused += 1
            continue
        one = needed.kept(row)
        if one is None:
            counted.incomplete += 1
            continue
        counted.rows += 1
        counted.first = row.at if counted.first is None else min(counted.first, row.at)
        counted.last = row.at if counted.last is None else max(counted.last, row.at)
        digest = int(row.digest[:15], 16)  # 60 bits: of a million images two are alike in one of two million logs
        if digest not in seen:
            seen.add(digest)
            counted.images += 1
            yield one


def _thinned(images: Iterable[ComparedImage], whole: int) -> Iterator[ComparedImage]:
    for number, one in enumerate(images):
        if number % keep_every(number, whole=whole) == 0:
            yield one


def _as_traffic(kept: list[ComparedImage], metadata: ModelMetadata) -> ModelTraffic:
    needed, count = Needed.by(metadata), len(kept)
    probabilities = np.array([one.probabilities for one in kept], np.float32).reshape(count, needed.class_count)
    placed = [one.embedding for one in kept if one.embedding is not None]
    seen = [one.statistics for one in kept if one.statistics is not None]
    return ModelTraffic(
        at=np.array([one.at for one in kept], np.float64),
        digests=[one.digest for one in kept],
        probabilities=probabilities,
        said=say(probabilities, metadata),
        verdicts=[one.verdict for one in kept],
        novelty=np.array([one.novelty for one in kept], np.float32) if needed.novelty else None,
        embeddings=None
        if needed.components is None
        else np.array(placed, np.float32).reshape(count, needed.components),
        qualities={name: np.array([getattr(one, name) for one in seen], np.float32) for name in QUALITIES}
        if needed.statistics
        else {},
    )


def _joined(blocks: Sequence[ModelTraffic]) -> ModelTraffic:
    """Blocks of one stream as one traffic; they hold the same fields."""
    first = blocks[0]
    return ModelTraffic(
        at=np.concatenate([one.at for one in blocks]),
        digests=[digest for one in blocks for digest in one.digests],
        probabilities=np.concatenate([one.probabilities for one in blocks]),
        said=np.concatenate([one.said for one in blocks]),
        verdicts=[verdict for one in blocks for verdict in one.verdicts],
        novelty=None
        if first.novelty is None
        else np.concatenate([one.novelty for one in blocks if one.novelty is not None]),
        embeddings=None
        if first.embeddings is None
        else np.concatenate([one.embeddings for one in blocks if one.embeddings is not None]),
        qualities={name: np.concatenate([one.qualities[name] for one in blocks]) for name in first.qualities},
    )
