"""`vidi calibrate`: new guarantees or calibration images for a finished model; its weights stay the same."""

from dataclasses import dataclass, replace
from pathlib import Path

from vidi.data.dataset import Dataset
from vidi.data.splitting.split_plan import read_assignments
from vidi.errors import ModelError, UsageError
from vidi.evaluation.answers import Reason, Want
from vidi.files import escape_path, write_atomic
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile, read_model_bytes
from vidi.prediction.predictor import Predictor
from vidi.report.cards import write_model_card
from vidi.report.words.guarantees import describe_calibration, lacking_reference
from vidi.workflows.evaluating.calibrated import CALIBRATION, calibrate_file
from vidi.workflows.evaluating.learned import LEARNED_FROM, find_learned
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.inputs import named_first
from vidi.workflows.interaction.request import decode_options, read_for_model, read_source
from vidi.workflows.interaction.run_folder import MODEL, REPORT, SPLITS
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.model_file import CalibrateRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateResult:
    """Result of a new calibration."""

    model: ModelFile
    image_count: int
    sentences: tuple[str, ...]  # how the logits are scaled, and what is promised


def calibrate(request: CalibrateRequest, *, events: Events = SILENCE) -> CalibrateResult:
    """Write a model file with the same weights, calibrated on given images, with limits for the guarantees.

    Of a set that the model was trained on (by the splits.csv beside it) only the calibration part is used; of any other
    all images but those that it was trained on by the list in the file. The test figures are left out of the new file:
    they were measured with the old calibration.

    Raises:
        ModelError: no model file, or an unfinished one.
        DataError: no class in common, or no image that may be used.
        UsageError: the output exists, or a class is not there.
        ResourceError: the file cannot be written.
    """
    if request.output.exists() and not request.overwrite:
        raise UsageError(f"{escape_path(request.output)} exists", "Name another file, or add --overwrite.")
    before = Predictor.load(named_first(request.model, [request.data.source], verb="calibrate"))
    if before.metadata.unfinished:
        raise ModelError(
            f"{escape_path(before.model.path)} is unfinished: {before.metadata.unfinished}",
            "Finish its training first: `vidi train --resume RUN --finish`.",
        )
    if request.guarantees.target is not None:
        request.guarantees.target.require_fitting(before.classes, positive=request.data.positive)
    if before.metadata.multi_label:
        _refuse_for_labels(request)
    made = calibrate_file(
        before.model,
        _read(request, before.metadata),
        _wanted(before, request, events),
        guarantees=request.guarantees,
        positive=request.data.positive,
    )
    write_atomic(request.output, made.data)
    _rewrite_pages(request.output, events)
    return CalibrateResult(
        model=read_model_bytes(made.data, request.output),
        image_count=made.image_count,
        sentences=(*describe_calibration(made.done), *lacking_reference(made.metadata.drift_reference)),
    )


def _rewrite_pages(output: Path, events: Events) -> None:
    """Write the card and the report of a run again, where its own model file was calibrated."""
    if output.name != MODEL:
        return
    if (output.parent / REPORT).is_file():
        rebuild_report(output.parent, events=events)  # with the card
    else:
        write_model_card(output.parent)


def _refuse_for_labels(request: CalibrateRequest) -> None:
    """Refuse what is made for models of one class each."""
    target = request.guarantees.target
    if (target is not None and target.costs is not None) or request.data.positive is not None:
        raise UsageError(
            "the model is multi-label; --costs and --positive need a model that predicts one class per image",
            "Leave them out. --recall, --precision and --false-alarms-per set a threshold for each class.",
        )


def _read(request: CalibrateRequest, metadata: ModelMetadata) -> Dataset:
    """The images; of more than two classes, `--positive` only names the one that the target is about."""
    if request.guarantees.target is not None and len(metadata.classes) > 2 and not metadata.multi_label:
        return read_source(replace(request.data, positive=None))
    return read_for_model(request.data, metadata)


def _wanted(before: Predictor, request: CalibrateRequest, events: Events) -> Want:
    """How the images are read; those that the model was trained, chosen or tested on are left out."""
    splits, learned = before.model.path.parent / SPLITS, find_learned(before)
    parts = {row.digest: row.part for row in read_assignments(splits)} if splits.exists() else {}

    def leave_out(row: int, digest: str) -> Reason | None:
        if parts:
            return LEARNED_FROM if parts.get(digest, CALIBRATION) != CALIBRATION else None
        return learned.leaves_out(row, digest)

    return Want(options=decode_options(request.data), leave_out=leave_out, on_progress=events.reading)
