"""What a model met and what it answered, image by image, in the order of arrival."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ShapeError
from vidi.metrics.arrays import Counts, Floats
from vidi.model_file.limits import Verdict

SHUFFLE = b"vidi.monitoring"  # key: no other choice of files by their digests gives this order


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelTraffic:
    """Answers of one model, in the order of arrival; images that could not be used are left out.

    Raises:
        ShapeError: the fields do not describe the same images.
    """

    at: NDArray[np.float64]  # (images,) seconds since 1970, UTC; images with one time came together, in no order
    digests: Sequence[str]  # SHA-256 of each image file; a file that comes again counts once
    probabilities: NDArray[np.float32]  # (images, classes)
    said: NDArray[np.bool_]  # (images, classes): what each image is called, by `vidi.model_file.decisions.say`
    verdicts: Sequence[Verdict | None]
    novelty: NDArray[np.float32] | None = None  # (images,)
    embeddings: NDArray[np.float32] | None = None  # (images, components), placed by the reference's Projection
    qualities: Mapping[str, Floats]  # by the names of `vidi.images.statistics.QUALITIES`; (images,) each

    def __post_init__(self) -> None:
        count = len(self.at)
        lengths = {
            "digests": len(self.digests),
            "probabilities": len(self.probabilities),
            "said": len(self.said),
            "verdicts": len(self.verdicts),
            **{name: len(values) for name, values in self.qualities.items()},
        }
        optional = {"novelty": self.novelty, "embeddings": self.embeddings}
        lengths |= {name: len(values) for name, values in optional.items() if values is not None}
        wrong = {name: length for name, length in lengths.items() if length != count}
        if wrong or self.said.shape != self.probabilities.shape:
            raise ShapeError(
                f"there are {count:,} times of arrival, but the other fields describe {wrong or self.said.shape}",
                "Give every field for the same images, in the same order.",
            )

    def __len__(self) -> int:
        return len(self.at)

    def only(self, rows: Counts) -> Self:
        """Some rows, in this order."""
        numbers = rows.tolist()
        return replace(
            self,
            at=self.at[rows],
            digests=[self.digests[row] for row in numbers],
            probabilities=self.probabilities[rows],
            said=self.said[rows],
            verdicts=[self.verdicts[row] for row in numbers],
            novelty=None if self.novelty is None else self.novelty[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
            qualities={name: values[rows] for name, values in self.qualities.items()},
        )


def as_stream(traffic: ModelTraffic) -> tuple[Counts, ModelTraffic]:
    """Each file the first time it came, and the images of one time shuffled, always in the same way.

    Copies of one image are not independent of it. The images of one folder come sorted, often class by class, and
    that order must not look like a change in time.

    Returns:
        (different images,) their rows, and the traffic of these rows alone.
    """
    first: dict[str, int] = {}
    for row, digest in enumerate(traffic.digests):
        first.setdefault(digest, row)
    rows = _shuffled(np.fromiter(first.values(), np.int64, len(first)), traffic)
    return rows, traffic if np.array_equal(rows, np.arange(len(traffic))) else traffic.only(rows)


def _shuffled(rows: Counts, traffic: ModelTraffic) -> Counts:
    """Rows in the order in which their times first came; the rows of one time by a keyed hash of their files."""
    _, first, batches = np.unique(traffic.at[rows], return_index=True, return_inverse=True)
    if len(first) == len(rows):
        return rows
    hashes = b"".join(
        hashlib.blake2b(traffic.digests[row].encode(), key=SHUFFLE, digest_size=8).digest() for row in rows.tolist()
    )
    return rows[np.lexsort((np.frombuffer(hashes, ">u8"), first[batches]))]
