"""`vidi benchmark`: how long a model takes here, from one image to many, by engine."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.data.inputs import find_paths
from vidi.errors import DataError, ImageError, ModelError, UnknownNameError
from vidi.files import escape_path
from vidi.images.decode import read_header
from vidi.images.encode import encode_jpeg
from vidi.images.framing import Framing
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import BytesStore
from vidi.machine import core_count, processor_name
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.values import Json
from vidi.numbers import percent
from vidi.prediction.engines import ENGINES, is_installed, open_engine
from vidi.prediction.predictor import Predictor
from vidi.prediction.timing import Timing, take_turns
from vidi.workflows.interaction.inputs import no_images
from vidi.workflows.requests.model_file import BenchmarkRequest

Progress = Callable[[int, int], object]  # turns done, turns in all
MODEL_FILE = "model.onnx"
FIGURES = "export.json"  # stands beside a lighter file
PRECISIONS = {32: "fp32", 16: "fp16", 8: "int8"}
BATCHES = (1, 8, 32)
ROUNDS = 3
FOR_P99 = 100  # runs: of fewer the 99th percentile is the longest
DECODING = "decoding alone"
COUNT = 32  # the largest batch
QUALITY = 90
COARSE = ((4, 90.0), (16, 45.0), (64, 25.0))  # cells of colour along a side, and how much they differ
GRAIN = 9.0  # levels
SCHEMA = 1
HEAD = ("model", "engine", "threads", "p50", "p99", *(f"batch {size}" for size in BATCHES), "from files", "of decoding")
RIGHT = tuple(range(2, len(HEAD)))  # columns of numbers
MEGABYTE = 1e6


def benchmark(request: BenchmarkRequest, *, progress: Progress = lambda _done, _total: None) -> "Benchmark":
    """Time models in turn, each by each engine.

    Raises:
        ModelError: no model file, or no engine takes it.
        DataError: there is no image.
        UsageError: an engine is unknown or not installed.
    """
    models = find_models(request.models)
    subjects, refused = open_subjects(models, request.engines)
    threads = sorted({1, core_count()})
    size = subjects[0].predictor.metadata.framing.size
    images = drawn_images(size) if request.data is None else given_images(request.data)
    turn = _counter(progress, turn_count(subjects, threads))
    speeds = measure_speeds(subjects, images, threads=threads, seconds=request.seconds, turn=turn)
    return Benchmark(
        processor=processor_name(),
        images=f"{len(images.contents)} images: {images.source}",
        models=models,
        measured=[Measured(model=one.name, engine=one.engine, speeds=speeds[one.key]) for one in subjects],
        refused=refused,
    )


def _counter(progress: Progress, total: int) -> Callable[[], None]:
    done = 0

    def turn() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    return turn


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchmarkedModel:
    """A model by an engine."""

    name: str  # of the model
    engine: str
    predictor: Predictor

    @property
    def key(self) -> str:
        """Its name among all subjects."""
        return f"{self.name} by {self.engine}"


def find_models(named: Sequence[str]) -> dict[str, ModelFile]:
    """The models that were named, and after each the lighter files made of it that lie in folders beside it.

    Returns:
        By a name for people, each once.

    Raises:
        ModelError: what was named is no model file.
    """
    found: list[ModelFile] = []
    for text in named:
        model = read_model(Path(text))
        for one in (model, *compressed_files(model)):
            if all(one.digest != other.digest for other in found):
                found.append(one)
    names = [_name(model) for model in found]
    return {
        name if names.count(name) == 1 else escape_path(model.path): model
        for name, model in zip(names, found, strict=True)
    }


def compressed_files(model: ModelFile) -> list[ModelFile]:
    """Files of fewer bits that `vidi export` made of this one, in folders in or beside its own."""
    own = model.path.resolve().parent
    places = {report.parent for folder in (own, own.parent) for report in folder.glob(f"*/{FIGURES}")}
    found = []
    for place in sorted(places):
        try:
            one = read_model(place / MODEL_FILE)
        except ModelError:
            continue
        if one.metadata.provenance.derived_from == model.metadata.weights_digest:
            found.append(one)
    return found


def open_subjects(
    models: dict[str, ModelFile], engines: Sequence[str] | None
) -> tuple[list[BenchmarkedModel], dict[str, str]]:
    """Each model by each engine that gives its golden answers.

    Args:
        engines: their names; None: all that are installed.

    Returns:
        The subjects, and why others are left out, by their keys.

    Raises:
        UnknownNameError, MissingPackageError: an engine that was named is unknown or not installed.
        ModelError: no engine takes any model.
    """
    for name in engines or ():
        if name not in ENGINES:
            raise UnknownNameError(f"no engine is called {name!r}", f"Use one of: {', '.join(ENGINES)}.")
    wanted = list(dict.fromkeys(engines or (name for name in ENGINES if is_installed(name))))
    subjects, refused = list[BenchmarkedModel](), dict[str, str]()
    for name, model in models.items():
        for engine in wanted:
            try:
                predictor = Predictor(open_engine(engine, model), model)
            except ModelError as error:
                refused[f"{name} by {engine}"] = error.cause
            else:
                subjects.append(BenchmarkedModel(name=name, engine=engine, predictor=predictor))
    if not subjects:
        raise ModelError("; ".join(refused.values()), "Use `--engine onnxruntime`.")
    return subjects, refused


def _name(model: ModelFile) -> str:
    path = model.path.resolve()
    return escape_path(path.parent.name if path.name == MODEL_FILE else path.stem)


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
        read = read_images(self.store, list(self.contents), DecodeJob(framing=framing), isolated=False)
        images = [one.image for one in read if one.image is not None]
        if not images:
            raise DataError(f"no image of {self.source} can be read", "Name other images with --data.")
        return np.resize(np.stack(images), (COUNT, *framing.size, 3))


def measure_speeds(
    subjects: Sequence[BenchmarkedModel],
    images: BenchImages,
    *,
    threads: Sequence[int],
    seconds: float,
    turn: Callable[[], object],
) -> dict[str, list[Speed]]:
    """The speeds of each subject by its key, one for each number of threads.

    Args:
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
        timed: dict[int, dict[str, Timing]] = {}
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


def turn_count(subjects: Sequence[BenchmarkedModel], threads: Sequence[int]) -> int:
    """How many turns `measure_speeds` takes."""
    of_files = len(subjects) + len(_framings(subjects))
    return ROUNDS * len(threads) * (len(BATCHES) * len(subjects) + of_files)


def _from_files(
    subjects: Sequence[BenchmarkedModel],
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
        images.store, list(images.contents), DecodeJob(framing=framing), workers=workers, isolated=False
    ):
        pass


def _answer(subject: BenchmarkedModel, images: BenchImages, workers: int) -> None:
    for _ in subject.predictor.predict_files(list(images.contents), store=images.store, workers=workers):
        pass


def _framings(subjects: Sequence[BenchmarkedModel]) -> list[Framing]:
    return list(dict.fromkeys(subject.predictor.metadata.framing for subject in subjects))


def _outputs(subject: BenchmarkedModel) -> list[str]:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A model by an engine."""

    model: str
    engine: str
    speeds: Sequence[Speed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Speed and size of models on this processor."""

    processor: str
    images: str  # what was decoded and answered
    models: Mapping[str, ModelFile]
    measured: Sequence[Measured]
    refused: Mapping[str, str]  # model and engine → why it is left out

    def as_json(self) -> dict[str, Json]:
        """Plain values: seconds, bytes, images per second."""
        return {
            "vidi_benchmark": SCHEMA,
            "processor": self.processor,
            "images": self.images,
            "models": {
                name: {
                    "path": escape_path(model.path),
                    "id": model.model_id,
                    "bytes": len(model.data),
                    "precision": PRECISIONS[model.bits],
                    "network": model.metadata.provenance.network,
                    "image_size": list(model.metadata.framing.size),
                }
                for name, model in self.models.items()
            },
            "measured": [
                {
                    "model": one.model,
                    "engine": one.engine,
                    "speeds": [_speed_as_json(speed) for speed in one.speeds],
                }
                for one in self.measured
            ],
            "refused": dict(self.refused),
        }

    def rows(self) -> list[tuple[str, ...]]:
        """The table: a head, and a row for each model, engine and number of threads."""
        return [HEAD, *self._rows()]

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for one in self.measured:
            for speed in one.speeds:
                rates = [f"{speed.images_per_second[size]:,.0f}" for size in BATCHES]
                p99 = "–" if speed.latency_p99 is None else _milliseconds(speed.latency_p99)
                p50, share = _milliseconds(speed.latency_p50), percent(speed.share_of_decoding)
                yield one.model, one.engine, str(speed.threads), p50, p99, *rates, f"{speed.from_files:,.0f}", share

    def sentences(self) -> list[str]:
        """What stands above and below the table."""
        lines = [
            f"{self.processor}; {self.images}",
            *(
                f"{name}: {PRECISIONS[model.bits]}, {len(model.data) / MEGABYTE:,.1f} MB, "
                f"images of {model.metadata.framing.size[0]}×{model.metadata.framing.size[1]}"
                for name, model in self.models.items()
            ),
        ]
        lines += [f"{escape_path(key)} is left out: {escape_path(why)}" for key, why in self.refused.items()]
        return lines

    def __repr__(self) -> str:
        return "\n".join([*self.sentences(), *(" ".join(row) for row in self.rows())])


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.3g} ms"


def _speed_as_json(speed: Speed) -> dict[str, Json]:
    p99 = speed.latency_p99
    return {
        "threads": speed.threads,
        "latency_seconds": {
            "p50": round(speed.latency_p50, 7),
            "p99": None if p99 is None else round(p99, 7),
            "runs": speed.runs,
        },
        "images_per_second": {str(size): round(rate, 2) for size, rate in speed.images_per_second.items()},
        "from_files_per_second": round(speed.from_files, 2),
        "share_of_decoding": round(speed.share_of_decoding, 4),
    }
