"""Many files to many answers: threads that decode feed a batched session, in order, with bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.images.decode import DEFAULT
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.pool import DecodeJob, Measure, ReadImage, read_and_finish
from vidi.images.reading import Measured
from vidi.images.statistics import ImageStatistics, read_statistics
from vidi.images.store import ImageStore
from vidi.prediction.prediction import Prediction

# Pixels for each run of the session: four images of 224 x 224. More overflow the processor's caches (EfficientNet-Lite0
# on two one-thread runs: 1 to 4 images 250 a second, 32 images 175), fewer small ones pay for each call.
BATCH_PIXELS = 4 * 224 * 224
MOST_IN_BATCH = 64
Classify = Callable[[NDArray[np.uint8]], list[Prediction]]  # framed images (batch, height, width, 3) to answers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """Answer for one file: a prediction or an error, never both."""

    path: str  # as it was given
    outcome: Prediction | ImageError  # the prediction, or why there is none
    notes: tuple[str, ...] = ()  # codes of `vidi.images.limits.NOTES`
    digest: str = ""  # SHA-256 of the file's bytes; empty if they could not be read
    size: tuple[int, int] | None = None  # (height, width) of the full upright image
    measured: Measured | None = None  # array from `measure`; None without one
    statistics: ImageStatistics | None = None  # of the image as the network sees it; None unless asked for

    @property
    def prediction(self) -> Prediction | None:
        """Prediction; None if the file could not be used."""
        return None if isinstance(self.outcome, ImageError) else self.outcome

    @property
    def embedding(self) -> NDArray[np.float32] | None:
        """Embedding of the image, (features,); None if it was not asked for, or the file could not be used."""
        return None if isinstance(self.outcome, ImageError) else self.outcome.embedding

    @property
    def error(self) -> ImageError | None:
        """Reason why the file could not be used; None if it was classified."""
        return self.outcome if isinstance(self.outcome, ImageError) else None


def batch_size(framing: Framing) -> int:
    """Images for each run of the session.

    >>> batch_size(Framing(size=(224, 224))), batch_size(Framing(size=(32, 32)))
    (4, 64)
    """
    height, width = framing.size
    return min(MOST_IN_BATCH, max(1, BATCH_PIXELS // (height * width)))


def predict_stream(
    classify: Classify,
    framing: Framing,
    *,
    store: ImageStore,
    paths: Sequence[str],
    options: DecodeOptions = DEFAULT,
    workers: int | None = None,
    measure: Measure | None = None,
    statistics: bool = False,
) -> Iterator[Answer]:
    """Classify every file of a store, one answer for each path, in order; none is left out.

    Each thread decodes a batch (large images in a worker process) and runs the session on it; at most a few batches
    are in memory at once, however many paths there are.

    Args:
        classify: safe to call from several threads at once.
        framing: what `classify` wants its images to be.
        store: where the bytes come from.
        paths: names within the store.
        options: limits and rules of decoding.
        workers: threads; one per core by default.
        measure: of each file's bytes and its image before framing; images are decoded as they are without it.
        statistics: whether answers hold the statistics of their images.
    """
    job = DecodeJob(store=store, framing=framing, options=options, measure=measure, least_side=0)
    for answers in read_and_finish(
        job,
        paths,
        partial(_answer_batch, classify, framing if statistics else None),
        together=batch_size(framing),
        workers=workers,
    ):
        yield from answers


def _answer_batch(classify: Classify, measured_in: Framing | None, batch: Sequence[ReadImage]) -> list[Answer]:
    good = [read.pixels() for read in batch if read.error is None]
    predictions = iter(classify(np.stack(good)) if good else [])
    return [
        Answer(
            path=read.path,
            outcome=read.error or next(predictions),
            notes=read.notes,
            digest=read.digest,
            size=read.size,
            measured=read.measured,
            statistics=None if measured_in is None else read_statistics(read, measured_in),
        )
        for read in batch
    ]
