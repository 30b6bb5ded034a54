"""A model file in fewer bits, calibrated again."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray

from vidi.evaluation.answers import Want
from vidi.evaluation.guarantees.operating import OperatingTarget
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.export.precisions import to_fp16, to_int8
from vidi.model_file.metadata import GoldenTolerance, ModelMetadata
from vidi.model_file.read import ModelFile, read_model_bytes
from vidi.model_file.write import finished_bytes
from vidi.workflows.evaluating.calibrated import CALIBRATION, calibrate_file
from vidi.workflows.exporting.images import LabelledParts
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.requests.shared import Guarantees

TOLERANCE = GoldenTolerance(probability=0.05, novelty=0.1)  # of 8 bits: processors round their sums differently
WRITERS: Mapping[str, Callable[[onnx.ModelProto, NDArray[np.uint8]], onnx.ModelProto]] = {
    "int8": to_int8,
    "fp16": lambda model, _: to_fp16(model),
}


def write_calibrated(
    parent: ModelFile, form: str, framed: NDArray[np.uint8], found: LabelledParts, *, events: Events
) -> tuple[ModelFile, int]:
    """The file with calibration, limits and novelty limit of its own; and the number of images they rest on.

    A run on few images calibrates on answers by networks that had not seen them. There are none such of the lighter
    network, so the parent's calibration stays, and the test images judge what it promises.
    """
    metadata = replace(
        parent.metadata,
        provenance=replace(parent.metadata.provenance, derived_from=parent.metadata.weights_digest),
        test=None,
        refuted=None,
        golden_tolerance=TOLERANCE if form == "int8" else parent.metadata.golden_tolerance,
    )
    network = WRITERS[form](onnx.load_model_from_string(parent.data), framed)
    model = read_model_bytes(finished_bytes(network, metadata))
    if not found.has_calibration:
        return model, 0
    points, limits = metadata.operating_points, metadata.verdict
    promise = GuaranteeTargets()  # what the parent promises
    if limits is not None:
        promise = GuaranteeTargets(max_error=limits.max_error, coverage=limits.coverage)
    want = Want(options=decode_options(found.data), on_progress=events.reading)
    made = calibrate_file(
        model,
        found.of(CALIBRATION),
        want,
        guarantees=Guarantees(promise=promise, target=_target(metadata)),
        positive=None if points is None else points.positive,
    )
    return read_model_bytes(made.data), made.image_count


def _target(metadata: ModelMetadata) -> OperatingTarget | None:
    """What the parent's decisions are to keep."""
    points = metadata.operating_points
    if points is None:
        return None
    costs = None
    if points.costs is not None:
        costs = {
            truth: dict(zip(metadata.classes, row, strict=True))
            for truth, row in zip(metadata.classes, points.costs, strict=True)
        }
    return OperatingTarget(measure=points.measure, share=points.share, costs=costs)
