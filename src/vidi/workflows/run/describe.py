"""The metadata of a model file about its run."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from vidi.data.dataset import Dataset
from vidi.evaluation.uses import digest_of_images
from vidi.model_file.learned_from import DigestFilter
from vidi.model_file.metadata import ModelMetadata, Normalisation, Provenance
from vidi.model_file.values import Json
from vidi.training.trained import TrainedNetwork
from vidi.workflows.evaluating.learned import CHOSEN_ON
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.run.prepare import SplitImages
from vidi.workflows.run.start import Start

LIBRARIES = ("vidi", "numpy", "pillow", "onnx", "onnxruntime", "torch")


def describe_model(
    images: SplitImages,
    trained: TrainedNetwork,
    *,
    run: str,
    unfinished: str | None = None,
) -> ModelMetadata:
    """Return the metadata of a run's model file.

    Args:
        unfinished: why it is not a finished model; None where it is one.
    """
    recipe: dict[str, Any] = trained.recipe.as_dict()
    return ModelMetadata(
        classes=images.dataset.classes,
        multi_label=images.dataset.multi_label,
        framing=images.framing,
        normalisation=Normalisation(
            mean=as_three(trained.normalisation.mean), standard_deviation=as_three(trained.normalisation.std)
        ),
        provenance=Provenance(
            network=trained.recipe.network,
            run=run,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            description=images.truth.outputs.describe(images.dataset.classes),
            weights_license=trained.weights_license,
            data=describe_data(images),
            recipe=recipe,
            library_versions={name: version(name) for name in LIBRARIES},
        ),
        unfinished=unfinished,
    )


def describe_data(images: SplitImages) -> dict[str, Json]:
    """Return a fingerprint of the data: digests and counts, no file names."""
    feedback = images.dataset.is_feedback
    learned = np.isin(images.split.parts, CHOSEN_ON) & feedback
    used = [(record.digest or "", part) for record, part in zip(images.check.records, images.split.parts, strict=True)]
    return {
        "digest": digest_of_images(digest for digest, part in used if part),
        "test_digest": digest_of_images(digest for digest, part in used if part == "test"),
        "images": sum(bool(part) for _, part in used),
        "parts": dict(images.split.counts()),
        "classes": dict(sorted(class_counts(images).items())),
        "reader": images.dataset.reader,
        "split_rule": str(images.split.rule),
        **describe_labels(images.dataset),
        **({"feedback_learned": int(learned.sum()), "feedback_weight": FEEDBACK_WEIGHT} if feedback.any() else {}),
    }


def describe_labels(dataset: Dataset) -> dict[str, Json]:
    """Return which lines of a labels file the model knows, and what they changed; nothing where there are none."""
    if dataset.labels_state is None or dataset.labels_state.startswith("0:"):
        return {}
    changed = sum(image.given is not None for image in dataset.images)
    left_out = sum(image.left_out is not None for image in dataset.images)
    return {"labels": {"state": dataset.labels_state, "changed": changed, "left_out": left_out}}


def files_learned_from(images: SplitImages, start: Start | None) -> tuple[DigestFilter, ...] | None:
    """Filters of the files for training and validation, after those behind the pretrained weights.

    Returns:
        None where these weights do not say, and where there are too many files: what is not whole is not stated.
    """
    before = () if start is None else start.learned_from
    rows = np.concatenate([images.split.rows(part) for part in CHOSEN_ON])
    own = DigestFilter.of(images.check.records[row].digest or "" for row in rows.tolist())
    return None if before is None or own is None else (*before, own)


def class_counts(images: SplitImages) -> dict[str, int]:
    """Count the used images of each class, without refused ones and those set aside."""
    return images.dataset.class_sizes([bool(part) for part in images.split.parts])


def as_three(numbers: tuple[float, ...]) -> tuple[float, float, float]:
    """Three numbers for red, green and blue, as the metadata takes them."""
    red, green, blue = numbers
    return float(red), float(green), float(blue)
