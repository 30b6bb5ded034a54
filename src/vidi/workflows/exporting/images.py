"""The labelled images that a lighter file is calibrated and judged on: of the model's run, or of other data."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.splitting.split_plan import Assignment, read_assignments
from vidi.errors import DataError, ImageError, UsageError
from vidi.evaluation.answers import TEST
from vidi.files import digest_of, escape_path
from vidi.groups import split_folds
from vidi.images.pool import DecodeJob, read_images
from vidi.model_file.read import ModelFile
from vidi.prediction.predictor import Predictor
from vidi.workflows.evaluating.calibrated import CALIBRATION
from vidi.workflows.evaluating.learned import find_learned
from vidi.workflows.interaction.request import decode_options, read_for_model
from vidi.workflows.interaction.run_folder import REQUEST, SPLITS, read_request, understood
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest

MOST_IMAGES = 256  # that the ranges of the activations and the agreement are taken from
RULE = "export"  # of images that get their part here


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledParts:
    """Labelled images, and which of them calibrate and which test."""

    data: DataRequest
    dataset: Dataset
    assigned: tuple[Assignment, ...]

    def paths(self, *parts: str) -> list[str]:
        """Paths of the images of some parts."""
        known = {image.path for image in self.dataset.images}
        return [row.path for row in self.assigned if row.part in parts and row.path in known]

    def of(self, part: str) -> Dataset:
        """The images of one part, without a part of their own."""
        wanted = set(self.paths(part))
        images = [replace(image, part=None) for image in self.dataset.images if image.path in wanted]
        return replace(self.dataset, images=tuple(images))

    @property
    def has_calibration(self) -> bool:
        """Whether some images were kept for calibration alone; runs on few images have none."""
        return bool(self.paths(CALIBRATION))

    def framed(self, model: ModelFile) -> NDArray[np.uint8]:
        """(images, height, width, 3) uint8: some images that are not test images, framed for the network.

        Raises:
            DataError: none can be read.
        """
        paths = self.paths(CALIBRATION) if self.has_calibration else self.paths("train", "validation")
        spread = np.linspace(0, len(paths) - 1, min(MOST_IMAGES, len(paths))).astype(int)
        some = [paths[row] for row in spread.tolist()]
        framing, options = model.metadata.framing, decode_options(self.data)
        stream = read_images(self.dataset.store, some, DecodeJob(framing=framing, options=options), isolated=False)
        images = [read.image for read in stream if read.image is not None]
        if not images:
            raise DataError(
                f"{escape_path(self.dataset.source)}: no image is left to calibrate on",
                "Name labelled images with --data, of which the model has seen none.",
            )
        return np.stack(images)


def find_images(predictor: Predictor, given: str | None) -> LabelledParts:
    """The images of a run by its parts; of other data its test part, or half of it, tests, and the rest calibrates.

    Args:
        given: a run folder or a data set; None: the run that the model lies in.

    Raises:
        UsageError: the model lies in no run, and nothing was named.
        DataError: the data cannot be read, or leave no image to test on.
    """
    folder = predictor.model.path.parent if given is None else Path(given)
    if (folder / SPLITS).is_file() and (folder / REQUEST).is_file():
        with understood(folder / REQUEST):
            data = TrainRequest.from_dict(read_request(folder)).data
        found = _parts(data, predictor, read_assignments(folder / SPLITS))
    elif given is None:
        raise UsageError(
            f"{escape_path(predictor.model.path)} lies in no run folder, so it is not known what to calibrate on",
            "Name the run or labelled images that the model has not seen: --data RUN, or --data FOLDER.",
        )
    else:
        data = DataRequest(source=given)
        dataset = read_for_model(data, predictor.metadata)
        found = LabelledParts(data=data, dataset=dataset, assigned=_deal(dataset, predictor))
    if not found.paths(TEST):
        raise DataError(
            f"{escape_path(found.dataset.source)}: no image is left to test on",
            "Name labelled images that the model has not seen: --data FOLDER.",
        )
    return found


def _parts(data: DataRequest, predictor: Predictor, assigned: Sequence[Assignment]) -> LabelledParts:
    return LabelledParts(data=data, dataset=read_for_model(data, predictor.metadata), assigned=tuple(assigned))


def _deal(dataset: Dataset, predictor: Predictor) -> tuple[Assignment, ...]:
    """Parts for images of no run. `train` is what the model was trained on, and what the data call so."""
    learned, read = find_learned(predictor), list[tuple[LabelledImage, str]]()
    for image in dataset.images:
        with contextlib.suppress(OSError, ImageError):  # who scores the images counts what cannot be read
            read.append((image, digest_of(dataset.store.read(image.path))))
    is_used = [image.part == "train" or learned.holds(digest) for image, digest in read]
    if any(image.part == TEST for image, _ in read):
        parts = [TEST if image.part == TEST else CALIBRATION for image, _ in read]
    else:
        groups = [image.group or digest for image, digest in read]
        labels = np.array([min(image.labels, default=-1) for image, _ in read], np.int64)
        halves = split_folds(groups, labels=labels, folds=2, seed=0) if read else np.empty(0, np.int64)
        parts = [TEST if half else CALIBRATION for half in halves.tolist()]
    return tuple(
        Assignment(digest=digest, path=image.path, group=image.group or "", part="train" if used else part, rule=RULE)
        for (image, digest), part, used in zip(read, parts, is_used, strict=True)
    )
