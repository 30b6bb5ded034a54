"""A loaded model file: images in, predictions out."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ModelError, ShapeError
from vidi.files import escape_path
from vidi.images.decode import DEFAULT, DecodeJob, Measure, ReadImage
from vidi.images.framing import frame_image
from vidi.images.given import Held, as_rgb, list_images
from vidi.images.limits import DecodeOptions
from vidi.images.pool import read_and_finish
from vidi.images.statistics import read_statistics
from vidi.images.store import GivenFilesStore, ImageStore
from vidi.machine import Deadline, core_count
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile, read_model, read_model_bytes
from vidi.prediction.engines import USUAL, GraphEngine, batch_size, open_engine
from vidi.prediction.prediction import Answer, Prediction, decide

ANSWERS = ("probabilities", "novelty")  # outputs that verdicts are made of
Image = NDArray[np.uint8]  # (height, width, 3), RGB, upright


class Predictor:
    """Loaded model file that classifies images. Safe to share between threads."""

    def __init__(self, engine: GraphEngine, model: ModelFile) -> None:
        self.engine = engine
        self.model = model
        self._answers = [name for name in ANSWERS if name in model.outputs]

    @classmethod
    def load(cls, path: Path | str, *, engine: str = USUAL) -> Self:
        """Open a model file, or the one in a run folder.

        Args:
            path: of the model file, its run folder or a registered name.
            engine: executes the graph: onnxruntime, or openvino where it is installed and gives the file's answers.

        Raises:
            ModelError: the file is missing, damaged, changed, hostile, or not written by vidi; or the engine answers
                otherwise than the file says.
            UsageError: no such engine is installed.
        """
        model = read_model(Path(path))
        return cls(open_engine(engine, model), model)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Open the bytes of a model file.

        Raises:
            ModelError: the file is damaged, changed, hostile, or not written by vidi.
        """
        model = read_model_bytes(data)
        return cls(open_engine(USUAL, model), model)

    def __repr__(self) -> str:
        return f"<Predictor {self.model.model_id}: {', '.join(self.classes[:10])}{', …' * (len(self.classes) > 10)}>"

    def _repr_html_(self) -> str:
        from vidi.prediction.as_html import model_as_html

        return model_as_html(self.model)

    @property
    def metadata(self) -> ModelMetadata:
        """Metadata of the model file."""
        return self.model.metadata

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.metadata.classes

    def predict(self, images: Sequence[Held] | Image, *, embedding: bool = False) -> list[Prediction]:
        """Classify images in memory, of any sizes; one prediction per image, in order.

        Args:
            images: Pillow images or uint8 arrays, (height, width, 3) upright RGB or (height, width) grey; or one array
                of all images.
            embedding: whether each prediction also holds the image's embedding.

        Raises:
            ShapeError: an image has another shape or type.
            ImageError: a Pillow image's file is damaged.
        """
        return [one for batch in self._framed(images) for one in self.predict_framed(batch, embedding=embedding)]

    def predict_framed(self, images: NDArray[np.uint8], *, embedding: bool = False) -> list[Prediction]:
        """Classify images that already have the network's size.

        Args:
            images: (batch, height, width, 3) uint8.
            embedding: whether each prediction also holds the image's embedding.
        """
        given = self.run(images, [*self._answers, "embedding"] if embedding else self._answers)
        novelty = given["novelty"].tolist() if "novelty" in given else [None] * len(images)
        rows = zip(given["probabilities"], novelty, given.get("embedding", [None] * len(images)), strict=True)
        return [decide(row, self.metadata, novelty=strange, embedding=place) for row, strange, place in rows]

    def predict_files(
        self,
        paths: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
        *,
        store: ImageStore | None = None,
        options: DecodeOptions = DEFAULT,
        workers: int | None = None,
        measure: Measure | None = None,
        embedding: bool = False,
        statistics: bool = False,
    ) -> Iterator[Answer]:
        """Classify image files; one answer per path, in order, as soon as it is ready; none is left out.

        Each thread decodes a batch (large images in a worker process) and runs the session on it; at most a few
        batches are in memory at once, however many paths there are.

        Args:
            paths: paths of files, or names within the store; a single path also works.
            store: source of the bytes; files of this computer by default.
            options: limits and rules of decoding.
            workers: number of threads; one per core by default.
            measure: function of a file's bytes and its unframed image; its array is returned as `measured`.
            embedding: whether each answer also holds the image's embedding.
            statistics: whether each answer also holds the image's brightness, contrast, sharpness and the like.
        """
        framing = self.metadata.framing
        given = [paths] if isinstance(paths, str | os.PathLike) else paths
        job = DecodeJob(framing=framing, options=options, measure=measure, least_side=0)
        answer = partial(self._answer, embedding=embedding, statistics=statistics)
        names = [os.fspath(path) for path in given]
        files, together = store or GivenFilesStore(), batch_size(framing)
        for answers in read_and_finish(files, names, job, answer, together=together, workers=workers):
            yield from answers

    def _answer(self, batch: Sequence[ReadImage], *, embedding: bool, statistics: bool) -> list[Answer]:
        """One answer for each image of a batch, whether it could be read or not."""
        good = [read.pixels() for read in batch if read.error is None]
        predictions = iter(self.predict_framed(np.stack(good), embedding=embedding) if good else [])
        return [
            Answer(
                path=read.path,
                outcome=read.error or next(predictions),
                notes=read.notes,
                digest=read.digest,
                size=read.size,
                measured=read.measured,
                statistics=read_statistics(read, self.metadata.framing) if statistics else None,
            )
            for read in batch
        ]

    def probabilities(self, images: Sequence[Held] | Image) -> NDArray[np.float32]:
        """Predict calibrated probabilities (batch, classes) for any images that `predict` accepts.

        Raises:
            ShapeError: an image has another shape or type.
            ImageError: a Pillow image's file is damaged.
        """
        rows = [self.run(batch, ("probabilities",))["probabilities"] for batch in self._framed(images)]
        return np.concatenate(rows) if rows else np.empty((0, len(self.classes)), np.float32)

    def _framed(self, images: Sequence[Held] | Image) -> Iterator[NDArray[np.uint8]]:
        """The images in batches, each framed as the network wants it."""
        held: list[Held] = []
        for image in list_images(images):
            if isinstance(image, str):
                raise ShapeError(f"{escape_path(image)} is a path", "`predict_files` answers about files.")
            held.append(image)
        size = batch_size(self.metadata.framing)
        for start in range(0, len(held), size):
            batch = held[start : start + size]
            yield np.stack([frame_image(as_rgb(image), self.metadata.framing) for image in batch])

    def run(self, images: NDArray[np.uint8], outputs: Sequence[str] | None = None) -> dict[str, NDArray[np.float32]]:
        """Run the graph on images (batch, height, width, 3) uint8 of one size, which can be any size.

        Args:
            images: the batch.
            outputs: names from `model.outputs`; all by default.

        Returns:
            By name: `probabilities` (batch, classes), `embedding` (batch, features) and, if the model has them,
            `evidence` (batch, classes, rows, columns) and `novelty` (batch,), all float32.

        Raises:
            ModelError: an answer is not a number, because the weights overflow.
        """
        names = list(outputs or self.model.outputs)
        given = dict(zip(names, self.engine.run(images, names), strict=True))
        for name in given.keys() & ANSWERS:
            if not np.isfinite(given[name]).all():
                raise ModelError(
                    f"{escape_path(self.model.path)}: its {name} for an image is not a number",
                    "Its weights are damaged, or were trained until they overflowed. Train it again.",
                )
        return given


def check_image(image: NDArray[np.uint8]) -> None:
    """Refuse an array that is not an image.

    Raises:
        ShapeError: not (height, width, 3) uint8, or without pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ShapeError(
            f"an image has shape {image.shape} and type {image.dtype}",
            "Give (height, width, 3) uint8, RGB, upright; `vidi.images.decode.decode_image` makes such arrays.",
        )


MOST_TOGETHER = 32  # images for each run of the session


def run_pixels(
    predictor: Predictor, pixels: NDArray[np.uint8], rows: NDArray[np.int64], outputs: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Run the model's graph on framed images, on every core; the outputs by name."""
    batches = list(run_until(predictor, pixels, rows, outputs))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in outputs}


def run_until(
    predictor: Predictor,
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    outputs: Sequence[str],
    *,
    until: Deadline | None = None,
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """The same in pieces, in order, for as many of the first images as there is time for.

    Args:
        pixels: (images, height, width, 3) uint8, framed; possibly memory-mapped.
        rows: which of them.
        outputs: names of the graph's outputs.
        until: when the last piece is begun; None: all are.
    """
    batches = _in_batches(rows, min(MOST_TOGETHER, batch_size(predictor.metadata.framing)))

    def answer(some: NDArray[np.int64]) -> dict[str, NDArray[np.float32]] | None:
        if until is not None and until.seconds_left() <= 0:
            return None
        return predictor.run(np.ascontiguousarray(pixels[some]), outputs)

    # A session uses one core for each run: runs side by side use them all.
    with ThreadPoolExecutor(max(1, min(core_count(), len(batches))), thread_name_prefix="vidi-run") as threads:
        for given in threads.map(answer, batches):
            if given is None:
                return
            yield given


def embed_images(predictor: Predictor, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The embeddings (rows, features) of framed images; without features where there are no images."""
    if not len(rows):
        return np.empty((0, 0), np.float32)
    return run_pixels(predictor, pixels, rows, ("embedding",))["embedding"]


def _in_batches(rows: NDArray[np.int64], size: int = MOST_TOGETHER) -> list[NDArray[np.int64]]:
    """The rows in pieces of at most `size`, in order."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
