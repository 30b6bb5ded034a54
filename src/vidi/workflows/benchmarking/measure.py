"""How fast models answer on drawn or given images, alone and from files, beside what decoding allows."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.data.inputs import BytesStore, find_paths
from vidi.errors import DataError, ImageError
from vidi.files import escape_path
from vidi.images.decode import read_header
from vidi.images.encode import encode_jpeg
from vidi.images.framing import Framing
from vidi.images.pool import DecodeJob, read_images
from vidi.prediction.engines.fastest import Timed, take_turns
from vidi.workflows.benchmarking.subjects import Subject
from vidi.workflows.interaction.inputs import no_images

BATCHES = (1, 8, 32)
ROUNDS = 3
FOR_P99 = 100  # runs: of fewer the 99th percentile is the longest
DECODING = "decoding alone"
COUNT = 32  # the largest batch
QUALITY = 90
COARSE = ((4, 90.0), (16, 45.0), (64, 25.0))  # cells of colour along a side, and how much they differ
GRAIN = 9.0  # levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast one subject answers with some threads side by side."""

    threads: int
    latency_p50: float  # seconds for one framed image
    latency_p99: float | None  # None of fewer than 100 runs
    runs: int  # behind the latency
    images_per_second: Mapping[int, float]  # framed images, by the size of a batch
    from_files: float  # images per second, decoded and answered as by `predict`
    share_of_decoding: float  # of the rate at which as many threads decode and do nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchImages:
    """Encoded images by name."""

    contents: dict[str, bytes]
    source: str  # for people

    @property
    def store(self) -> BytesStore:
        """Where they are read from."""
        return BytesStore(self.contents)

    def framed(self, framing: Framing) -> NDArray[np.uint8]:
        """(32, height, width, 3): each image as the network takes it, several times where there are fewer.

        Raises:
            DataError: none can be read.
        """
        read = read_images(DecodeJob(store=self.store, framing=framing), list(self.contents), isolated=False)
        images = [one.image for one in read if one.image is not None]
        if not images:
            raise DataError(f"no image of {self.source} can be read", "Name other images with --data.")
        return np.resize(np.stack(images), (COUNT, *framing.size, 3))


def measure_speeds(
    subjects: Sequence[Subject],
    images: BenchImages,
    *,
    threads: Sequence[int],
    seconds: float,
    turn: Callable[[], object],
) -> dict[str, list[Speed]]:
    """The speeds of each subject by its key, one for each number of threads.

    Args:
        subjects: take turns.
        images: that are decoded and answered.
        threads: numbers of threads.
        seconds: that all of it takes, about; each runs at least once in each round.
        turn: is called after each of `turn_count` turns.

    Raises:
        DataError: no image can be read.
    """
    slot = seconds / turn_count(subjects, threads)
    framed = {framing: images.framed(framing) for framing in _framings(subjects)}
    speeds: dict[str, list[Speed]] = {subject.key: [] for subject in subjects}
    for count in threads:
        timed: dict[int, dict[str, Timed]] = {}
        for size in BATCHES:
            runs = {
                one.key: partial(one.predictor.engine.run, framed[one.predictor.metadata.framing][:size], _outputs(one))
                for one in subjects
            }
            timed[size] = take_turns(runs, rounds=ROUNDS, seconds=slot, threads=count, turn=turn)
        whole = _from_files(subjects, images, workers=count, seconds=slot, turn=turn)
        for one in subjects:
            single = timed[1][one.key].seconds
            decoding = whole[f"{DECODING} {one.predictor.metadata.framing}"]
            speeds[one.key].append(
                Speed(
                    threads=count,
                    latency_p50=float(np.percentile(single, 50)),
                    latency_p99=float(np.percentile(single, 99)) if len(single) >= FOR_P99 else None,
                    runs=len(single),
                    images_per_second={size: timed[size][one.key].rate * size for size in BATCHES},
                    from_files=whole[one.key],
                    share_of_decoding=min(1.0, whole[one.key] / decoding),
                )
            )
    return speeds


def turn_count(subjects: Sequence[Subject], threads: Sequence[int]) -> int:
    """How many turns `measure_speeds` takes."""
    of_files = len(subjects) + len(_framings(subjects))
    return ROUNDS * len(threads) * (len(BATCHES) * len(subjects) + of_files)


def _from_files(
    subjects: Sequence[Subject],
    images: BenchImages,
    *,
    workers: int,
    seconds: float,
    turn: Callable[[], object],
) -> dict[str, float]:
    """Images per second from files to answers, and of decoding and framing alone for each framing."""
    paths = list(images.contents)
    runs: dict[str, Callable[[], object]] = {}
    for framing in _framings(subjects):
        runs[f"{DECODING} {framing}"] = partial(_decode, images, framing, workers)
    for one in subjects:
        runs[one.key] = partial(_answer, one, images, workers)
    timed = take_turns(runs, rounds=ROUNDS, seconds=seconds, turn=turn)
    return {name: found.rate * len(paths) for name, found in timed.items()}


def _decode(images: BenchImages, framing: Framing, workers: int) -> None:
    for _ in read_images(
        DecodeJob(store=images.store, framing=framing), list(images.contents), workers=workers, isolated=False
    ):
        pass


def _answer(subject: Subject, images: BenchImages, workers: int) -> None:
    for _ in subject.predictor.predict_files(list(images.contents), store=images.store, workers=workers):
        pass


def _framings(subjects: Sequence[Subject]) -> list[Framing]:
    return list(dict.fromkeys(subject.predictor.metadata.framing for subject in subjects))


def _outputs(subject: Subject) -> list[str]:
    """What `predict` asks for."""
    return [name for name in ("probabilities", "novelty") if name in subject.predictor.model.outputs]


def given_images(text: str) -> BenchImages:
    """Some images of a file, folder, pattern or archive, spread over all of them.

    Raises:
        DataError: there are none.
        UsageError: it is an address.
    """
    found = find_paths([text])
    listed = [(group.store, path) for group in found for path in group.paths]
    if not listed:
        raise no_images(found)
    contents = {}
    for row in np.linspace(0, len(listed) - 1, min(COUNT, len(listed))).astype(int).tolist():
        store, path = listed[row]
        with contextlib.suppress(OSError, ImageError):  # left out: what is timed are images that can be read
            data = store.read(path)
            read_header(data)
            contents[path] = data
    if not contents:
        raise DataError(f"no image of {escape_path(text)} can be read", "Name other images with --data.")
    return BenchImages(contents=contents, source=escape_path(text))


def drawn_images(size: tuple[int, int]) -> BenchImages:
    """Drawn JPEG files of a size (height, width): clouds of colour and grain, as heavy as photographs."""
    random = np.random.default_rng(0)
    return BenchImages(
        contents={f"drawn-{number:02}.jpg": _drawn(size, random) for number in range(COUNT)},
        source=f"drawn images of {size[0]}×{size[1]}",
    )


def _drawn(size: tuple[int, int], random: np.random.Generator) -> bytes:
    height, width = size
    image = np.full((height, width, 3), 128.0, np.float32)
    for cells, weight in COARSE:
        coarse = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        scaled = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        image += weight * (np.asarray(scaled, np.float32) / 127.5 - 1)
    image += random.normal(0, GRAIN, (height, width, 1)).astype(np.float32)
    return encode_jpeg(image.clip(0, 255).astype(np.uint8), quality=QUALITY)
