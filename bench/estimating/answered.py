"""What a model answers about images whose truth is known, as they are and made worse in many ways."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vidi.images.framing import frame_image, reduce_to_frame
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import ImageStore
from vidi.metrics.calibration import log_probabilities
from vidi.model_file.write import set_metadata
from vidi.prediction.predictor import Predictor

Image = NDArray[np.uint8]
Corrupt = Callable[[Image, np.random.Generator], Image]

UNCHANGED = "unchanged"
BATCH = 32  # images


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Answers about one traffic."""

    probabilities: NDArray[np.float32]  # (images, classes), calibrated
    bare: NDArray[np.float32]  # (images, classes), before calibration
    novelty: NDArray[np.float32]  # (images,)
    embeddings: NDArray[np.float32]  # (images, components) on the reference's axes
    labels: NDArray[np.int64]  # (images,); -1: of a class that the model lacks

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """(images,) bool."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.labels, np.bool_)

    def only(self, rows: NDArray[np.int64]) -> "Answered":
        """The answers about some of the images, in their order."""
        return Answered(
            probabilities=self.probabilities[rows],
            bare=self.bare[rows],
            novelty=self.novelty[rows],
            embeddings=self.embeddings[rows],
            labels=self.labels[rows],
        )


def joined(parts: Sequence[Answered]) -> Answered:
    """Several traffics one after the other."""
    return Answered(
        probabilities=np.concatenate([one.probabilities for one in parts]),
        bare=np.concatenate([one.bare for one in parts]),
        novelty=np.concatenate([one.novelty for one in parts]),
        embeddings=np.concatenate([one.embeddings for one in parts]),
        labels=np.concatenate([one.labels for one in parts]),
    )


class Answering:
    """A model that is asked about corrupted images, calibrated and bare."""

    def __init__(self, predictor: Predictor, bare: Predictor) -> None:
        self.predictor = predictor
        self._bare = bare
        reference = predictor.metadata.drift_reference
        assert reference is not None  # a run with 20 images that the network did not learn from has one
        assert reference.images is not None
        assert reference.images.embeddings is not None
        self._projection = reference.images.embeddings.projection()

    @classmethod
    def load(cls, run: Path, folder: Path) -> "Answering":
        """Open a run's model, and a copy without its calibration that is written into a folder."""
        predictor, copy = Predictor.load(run), folder / "bare.onnx"
        shutil.copyfile(predictor.model.path, copy)
        kept = replace(predictor.metadata, verdict=None, operating_points=None, test=None, drift_reference=None)
        set_metadata(copy, replace(kept, calibration=None, refuted=None))
        return cls(predictor, Predictor.load(copy))

    def ask(
        self,
        store: ImageStore,
        paths: Sequence[str],
        labels: NDArray[np.int64],
        ways: Mapping[str, Corrupt],
        *,
        seed: int,
    ) -> dict[str, Answered]:
        """Answers about the same images in every way, and unchanged; an image that cannot be read is left out."""
        found: dict[str, list[Answered]] = {name: [] for name in (UNCHANGED, *ways)}
        for images, truth, names in self._batches(store, paths, labels):
            randoms = [np.random.default_rng([seed, crc32(name.encode())]) for name in names]
            found[UNCHANGED].append(self._answer(images, truth))
            for name, corrupt in ways.items():
                corrupted = [corrupt(image, random) for image, random in zip(images, randoms, strict=True)]
                found[name].append(self._answer(corrupted, truth))
        return {name: joined(parts) for name, parts in found.items()}

    def _batches(
        self, store: ImageStore, paths: Sequence[str], labels: NDArray[np.int64]
    ) -> Iterator[tuple[list[Image], NDArray[np.int64], list[str]]]:
        """Some images at a time, as small as framing makes them, their classes and their paths."""
        framing = self.predictor.metadata.framing
        held: list[Image] = []
        truth: list[int] = []
        names: list[str] = []
        for read, label in zip(read_images(store, paths, DecodeJob(), isolated=False), labels.tolist(), strict=True):
            if read.image is not None:
                held.append(reduce_to_frame(read.image, framing))
                truth.append(label)
                names.append(read.path)
            if len(held) == BATCH:
                yield held, np.array(truth, np.int64), names
                held, truth, names = [], [], []
        if held:
            yield held, np.array(truth, np.int64), names

    def _answer(self, images: Sequence[Image], labels: NDArray[np.int64]) -> Answered:
        framed = np.stack([frame_image(image, self.predictor.metadata.framing) for image in images])
        bare = self._bare.run(framed, ("probabilities", "novelty", "embedding"))
        return Answered(
            probabilities=self._calibrated(bare["probabilities"]),
            bare=bare["probabilities"],
            novelty=bare["novelty"],
            embeddings=self._projection.place(bare["embedding"]),
            labels=labels,
        )

    def _calibrated(self, bare: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the model file's calibration makes of bare answers; a logit's constant changes nothing."""
        calibration = self.predictor.metadata.calibration
        if calibration is None:
            return bare
        logits = calibration.apply(log_probabilities(bare))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        calibrated: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return calibrated
