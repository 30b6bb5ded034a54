"""The metadata of a model file about its run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from vidi.evaluation.uses import digest_of_images
from vidi.model_file.learnt_from import DigestFilter
from vidi.model_file.metadata import ModelMetadata, Normalisation
from vidi.model_file.values import Json
from vidi.training.train import TrainedNetwork
from vidi.workflows.evaluating.learnt import CHOSEN_ON
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.run.prepare import Prepared

LIBRARIES = ("vidi", "numpy", "pillow", "onnx", "onnxruntime", "torch")


def describe_model(
    prepared: Prepared,
    trained: TrainedNetwork,
    *,
    run: str,
    unfinished: str | None = None,
    test: Mapping[str, Json] | None = None,
) -> ModelMetadata:
    """Return the metadata of a run's model file.

    Args:
        prepared: the data, its framing and its split.
        trained: the network and how it came about.
        run: the run's name, which is the model's version.
        unfinished: why it is not a finished model; None where it is one.
        test: figures of the test part.
    """
    recipe: dict[str, Any] = trained.recipe.as_dict()
    return ModelMetadata(
        classes=prepared.dataset.classes,
        multi_label=prepared.dataset.multi_label,
        framing=prepared.framing,
        normalisation=Normalisation(
            mean=as_three(trained.normalisation.mean), standard_deviation=as_three(trained.normalisation.std)
        ),
        network=trained.recipe.network,
        run=run,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        description=prepared.truth.outputs.describe(prepared.dataset.classes),
        unfinished=unfinished,
        test=test,
        weights_license=trained.weights_license,
        data=describe_data(prepared),
        recipe=recipe,
        library_versions={name: version(name) for name in LIBRARIES},
    )


def describe_data(prepared: Prepared) -> dict[str, Json]:
    """Return a fingerprint of the data: digests and counts, no file names."""
    feedback = prepared.dataset.is_feedback
    learned = np.isin(prepared.split.parts, CHOSEN_ON) & feedback
    used = [
        (record.digest or "", part) for record, part in zip(prepared.check.records, prepared.split.parts, strict=True)
    ]
    return {
        "digest": digest_of_images(digest for digest, part in used if part),
        "test_digest": digest_of_images(digest for digest, part in used if part == "test"),
        "images": sum(bool(part) for _, part in used),
        "parts": dict(prepared.split.counts()),
        "classes": dict(sorted(class_counts(prepared).items())),
        "reader": prepared.dataset.reader,
        "split_rule": str(prepared.split.rule),
        **({"feedback_learned": int(learned.sum()), "feedback_weight": FEEDBACK_WEIGHT} if feedback.any() else {}),
    }


def files_learnt_from(prepared: Prepared) -> tuple[DigestFilter, ...] | None:
    """Filters of the files for training and validation, after those behind the pretrained weights.

    Returns:
        None where these weights do not say, and where there are too many files: what is not whole is not stated.
    """
    before = () if prepared.start is None else prepared.start.learnt_from
    rows = np.concatenate([prepared.split.rows(part) for part in CHOSEN_ON])
    own = DigestFilter.of(prepared.check.records[row].digest or "" for row in rows.tolist())
    return None if before is None or own is None else (*before, own)


def class_counts(prepared: Prepared) -> dict[str, int]:
    """Count the used images of each class, without refused ones and those set aside."""
    return prepared.dataset.class_sizes([bool(part) for part in prepared.split.parts])


def as_three(numbers: tuple[float, ...]) -> tuple[float, float, float]:
    """Three numbers for red, green and blue, as the metadata takes them."""
    red, green, blue = numbers
    return float(red), float(green), float(blue)
