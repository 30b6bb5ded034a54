"""Many files to many answers: decoding threads feed a batched session, in order, with bounded memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.images.decode import DEFAULT
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.pool import ReadImage, read_images
from vidi.images.store import ImageStore
from vidi.machine import core_count
from vidi.prediction.prediction import Prediction

# Pixels for each run of the session: four images of 224 x 224. More overflow the processor's caches (EfficientNet-Lite0
# on two one-thread runs: 1 to 4 images 250 a second, 32 images 175), fewer small ones pay for each call.
BATCH_PIXELS = 4 * 224 * 224
MOST_IN_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What became of one file: a prediction or an error, never both."""

    path: str
    prediction: Prediction | None
    error: ImageError | None
    notes: tuple[str, ...] = ()  # codes of `vidi.images.reasons.NOTES`
    digest: str = ""  # SHA-256 of the file's bytes; empty where they could not be read


Classify = Callable[[NDArray[np.uint8]], list[Prediction]]  # framed images (batch, height, width, 3) to answers


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
) -> Iterator[Answer]:
    """Classify every file of a store, one answer for each path, in order; none is left out.

    Decoding runs in threads (large images in a worker process), the session in as many others; at most a few batches
    are in memory at once, however many paths there are.

    Args:
        classify: safe to call from several threads at once.
        framing: what `classify` wants its images to be.
        store: where the bytes come from.
        paths: names within the store.
        options: limits and rules of decoding.
        workers: threads; as many as this process has cores when left out.
    """
    threads_wanted = workers or core_count()
    images = cast(
        Generator[ReadImage],
        read_images(store, paths, framing=framing, options=options, workers=threads_wanted, isolated=False),
    )
    waiting: deque[Future[list[Answer]]] = deque()
    threads = ThreadPoolExecutor(threads_wanted, thread_name_prefix="vidi-session")
    try:
        while batch := list(islice(images, batch_size(framing))):
            waiting.append(threads.submit(_answer_batch, classify, batch))
            if len(waiting) > threads_wanted:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        # Also when the consumer stops early: nothing goes on behind its back.
        threads.shutdown(cancel_futures=True)
        images.close()


def _answer_batch(classify: Classify, batch: Sequence[ReadImage]) -> list[Answer]:
    good = [read.image for read in batch if read.image is not None]
    predictions = iter(classify(np.stack(good)) if good else [])
    return [
        Answer(
            path=read.path,
            prediction=None if read.image is None else next(predictions),
            error=read.error,
            notes=read.notes,
            digest=read.digest,
        )
        for read in batch
    ]
