"""A model file calibrated again on labelled images; its weights stay the same."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vidi.data.dataset import Dataset
from vidi.errors import DataError
from vidi.evaluation.answers import Answers, Want, answer
from vidi.evaluation.guarantees.calibrate import CalibratedAnswers, UnseenAnswers, calibrate_answers
from vidi.evaluation.match import match_classes
from vidi.files import escape_path
from vidi.groups import number_groups
from vidi.metrics.arrays import Counts
from vidi.model_file.learned_from import with_files
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.write import bytes_with
from vidi.monitoring.reference import UnseenImages, make_reference, without_embeddings
from vidi.prediction.predictor import Predictor
from vidi.workflows.evaluating.learned import LEARNED_FROM
from vidi.workflows.requests.shared import Guarantees

CALIBRATION: Literal["calibration"] = "calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedFile:
    """A model file with a calibration of its own."""

    data: bytes
    metadata: ModelMetadata
    done: CalibratedAnswers
    image_count: int  # that it rests on


def calibrate_file(
    model: ModelFile, dataset: Dataset, want: Want, *, guarantees: Guarantees, positive: str | None
) -> CalibratedFile:
    """Calibrate a model file on every image that shows a class of its own, and find the limits that these support.

    Its test figures are left out: they were measured with the old calibration.

    Args:
        positive: the class that their target is about; None: each.

    Raises:
        DataError: no class in common, or no image may be used.
    """
    bare = Predictor.from_bytes(bytes_with(model, _without_guarantees(model.metadata)))
    match = match_classes(bare.classes, dataset.classes)
    answers = answer(bare, dataset, _known(dataset, match.names, bare.metadata), replace(want, match=match, looks=True))
    if not answers.paths:
        others = sum(entry.code == LEARNED_FROM[0] for entry in answers.lost)
        raise DataError(
            f"{escape_path(dataset.source)}: no image is left to calibrate on: {others:,} images were used to train, "
            "choose or test the model",
            "Use labelled images that the model has not seen.",
        )
    groups = number_groups([group or digest for group, digest in zip(answers.groups, answers.digests, strict=True)])
    done = calibrate_answers(
        UnseenAnswers(probabilities=answers.probabilities, truth=answers.truth, groups=groups, novelty=answers.novelty),
        bare.classes,
        promise=guarantees.promise,
        target=guarantees.target,
        positive=positive,
    )
    learned = with_files(bare.metadata.provenance.learned_from, answers.digests)
    provenance = replace(bare.metadata.provenance, learned_from=learned)
    metadata = replace(done.stated_in(bare.metadata), provenance=provenance)
    reference = make_reference(
        done.fitted.probabilities,
        metadata,
        basis="calibration",
        groups=groups,
        novelty=answers.novelty,
        images=_look(answers, groups),
    )
    if not _tells_of_images(model.metadata):
        reference = without_embeddings(reference)
    metadata = replace(metadata, drift_reference=reference)
    return CalibratedFile(
        data=bytes_with(bare.model, metadata), metadata=metadata, done=done, image_count=len(answers.paths)
    )


def _known(dataset: Dataset, names: tuple[str, ...], metadata: ModelMetadata) -> dict[int, str]:
    """The images that show a class of the model; where they may show several, all."""

    def is_known(labels: Iterable[int]) -> bool:
        return metadata.multi_label or any(names[label] in metadata.classes for label in labels)

    return {row: CALIBRATION for row, image in enumerate(dataset.images) if is_known(image.labels)}


def _without_guarantees(metadata: ModelMetadata) -> ModelMetadata:
    """What stays of the metadata where the logits are bare again."""
    return replace(
        metadata,
        calibration=None,
        verdict=None,
        operating_points=None,
        test=None,
        refuted=None,
        drift_reference=None,
    )


def _tells_of_images(metadata: ModelMetadata) -> bool:
    """Whether the file tells of single images: it lists those that it was trained on, or holds embeddings."""
    images = None if metadata.drift_reference is None else metadata.drift_reference.images
    return metadata.provenance.learned_from is not None or (images is not None and images.embeddings is not None)


def _look(answers: Answers, groups: Counts) -> UnseenImages:
    """What some of the answered images are like."""
    looked_at = np.isin(answers.rows, list(answers.looks))
    looks = list(answers.looks.values())
    return UnseenImages(
        part=CALIBRATION,
        embeddings=np.stack([one.embedding for one in looks]),
        statistics=[one.statistics for one in looks if one.statistics is not None],
        groups=groups[looked_at],
        novelty=None if answers.novelty is None else answers.novelty[looked_at],
    )
