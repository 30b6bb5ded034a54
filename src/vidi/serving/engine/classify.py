"""Encoded files to answers: decoded apart, framed for the model, run in small batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.images.decode import read_header
from vidi.images.limits import DecodeOptions
from vidi.images.reading import ReadImage
from vidi.images.statistics import ImageStatistics, read_statistics
from vidi.prediction.stream import batch_size
from vidi.serving.engine.engine import AnswerEngine
from vidi.serving.models.served import ServedModel
from vidi.serving.problems import Problem

MOST_PIXELS: Final = 256_000_000  # of all images of one request: 16 photographs of 16 megapixels, or 12 s of PNG
PIXELS_TOGETHER: Final = 8_000_000  # decoded in one piece of work, half a second at most, unless one image has more
# Two requests' files run together while many wait: 5 % less time for each with EfficientNet-Lite0; more would not help.
IN_PAIRS: Final = 2

Rows = dict[str, NDArray[np.float32]]  # output → its row for one image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classified:
    """What the network gave for one file, or why the file could not be used."""

    read: ReadImage  # without the image
    rows: Rows  # empty where the file could not be used
    statistics: ImageStatistics | None = None  # where they were asked for

    @property
    def error(self) -> ImageError | None:
        """Reason why the file could not be used."""
        return self.read.error


async def classify_files(
    engine: AnswerEngine,
    served: ServedModel,
    files: Sequence[bytes],
    outputs: Sequence[str],
    *,
    statistics: bool = False,
) -> list[Classified]:
    """What the network gives for each file, in order; a file that cannot be used costs only its own answer.

    Args:
        engine: decodes and runs.
        served: the model.
        files: the bytes of encoded images.
        outputs: names of outputs of the model.
        statistics: measure the images, too.

    Raises:
        Problem: the images have too many pixels together.
    """
    work = partial(_classify, engine, served, outputs=outputs, statistics=statistics)
    if len(files) == 1:
        most = min(IN_PAIRS, batch_size(served.metadata.framing))
        return [await engine.do_together((served, statistics, *outputs), files[0], work, most=most)]
    pixels = await count_pixels(engine, files)
    parts = _parts(files, pixels, most=_together(len(files), served, engine))
    answers = await engine.do_each([partial(work, part) for part in parts])
    return [one for answer in answers for one in answer]


async def count_pixels(engine: AnswerEngine, files: Sequence[bytes]) -> list[int]:
    """The pixels of each file, from its header; 0 where that cannot be read: nothing of it will be decoded.

    Raises:
        Problem: there are too many in one request.
    """
    pixels = await engine.do(lambda: [_pixels(data, engine.crew.options) for data in files])
    if sum(pixels) > MOST_PIXELS:
        raise Problem(
            "invalid-input",
            f"The images of the request have {sum(pixels):,} pixels; at most {MOST_PIXELS:,} are taken together.",
            "Send fewer or smaller images in one request.",
        )
    return pixels


def _pixels(data: bytes, options: DecodeOptions) -> int:
    try:
        return read_header(data, options).pixel_count
    except ImageError:
        return 0


def _parts(files: Sequence[bytes], pixels: Sequence[int], *, most: int) -> list[list[bytes]]:
    """Files in pieces of work: at most `most` in one, and few where they are large, for others wait meanwhile."""
    parts: list[list[bytes]] = []
    room = 0
    for data, count in zip(files, pixels, strict=True):
        if not parts or len(parts[-1]) == most or count > room:
            parts.append([])
            room = PIXELS_TOGETHER
        parts[-1].append(data)
        room -= count
    return parts


async def classify_arrays(
    engine: AnswerEngine, served: ServedModel, images: NDArray[np.uint8], outputs: Sequence[str]
) -> Rows:
    """What the network gives for framed images (batch, height, width, 3) uint8, by output."""
    together = _together(len(images), served, engine)
    parts = [images[start : start + together] for start in range(0, len(images), together)]

    answers = await engine.do_each([partial(_run, engine, served, part, outputs) for part in parts])
    return {name: np.concatenate([answer[name] for answer in answers]) for name in outputs}


def _together(count: int, served: ServedModel, engine: AnswerEngine) -> int:
    """Images for each piece of work: no more than run well together, no fewer than all threads get some of."""
    return max(1, min(batch_size(served.metadata.framing), -(-count // engine.threads)))


def _run(engine: AnswerEngine, served: ServedModel, images: NDArray[np.uint8], outputs: Sequence[str]) -> Rows:
    return served.predictor_for(is_alone=engine.is_alone()).run(images, outputs)


def _classify(
    engine: AnswerEngine, served: ServedModel, files: Sequence[bytes], *, outputs: Sequence[str], statistics: bool
) -> list[Classified]:
    framing = served.metadata.framing
    reads = [engine.crew.decode(data, framing=framing) for data in files]
    images = [read.image for read in reads if read.image is not None]
    given = _run(engine, served, np.stack(images), outputs) if images else {}
    numbers = iter(range(len(images)))
    return [
        Classified(
            read=read,
            rows={} if read.image is None else _row(given, next(numbers)),
            statistics=read_statistics(read, framing) if statistics else None,
        )
        for read in reads
    ]


def _row(given: Rows, index: int) -> Rows:
    return {name: values[index] for name, values in given.items()}
