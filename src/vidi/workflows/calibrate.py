"""`vidi calibrate`: new guarantees or calibration images for a finished model; its weights stay the same."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vidi.data.dataset import Dataset
from vidi.data.splitting.split_file import read_assignments
from vidi.errors import DataError, ModelError, UsageError
from vidi.evaluation.answers import Answers, Reason, Want, answer
from vidi.evaluation.guarantees.calibrate import CalibratedAnswers, UnseenAnswers, calibrate_answers
from vidi.evaluation.match import ClassMatch, match_classes
from vidi.files import escape_path, written_whole
from vidi.groups import number_groups
from vidi.metrics.arrays import Counts
from vidi.model_file.drift_reference import DriftReference
from vidi.model_file.learnt_from import with_files
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.write import recalibrate
from vidi.monitoring.reference import UnseenImages, make_reference, without_embeddings
from vidi.prediction.predictor import Predictor
from vidi.report.cards.model_card import write_model_card
from vidi.report.words.drift import lacking_reference
from vidi.report.words.guarantees import describe_calibration
from vidi.workflows.evaluating.learnt import LEARNT_FROM, find_learnt
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.inputs import named_first
from vidi.workflows.interaction.request import decode_options, read_for_model, read_source
from vidi.workflows.interaction.run_folder import MODEL, REPORT, SPLITS
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.calibrate import CalibrateRequest

CALIBRATION = "calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibrated:
    """Result of a new calibration."""

    model: ModelFile
    image_count: int
    sentences: tuple[str, ...]  # how the logits are scaled, and what is promised


def calibrate(request: CalibrateRequest, *, events: Events = SILENCE, dataset: Dataset | None = None) -> Recalibrated:
    """Write a model file with the same weights, calibrated on given images, with limits for the guarantees.

    Of a set that the model was trained on (by the splits.csv beside it) only the calibration part is used; of any other
    all images but those that it was trained on by the list in the file. The test figures are left out of the new file:
    they were measured with the old calibration.

    Args:
        request: what the user asked for.
        events: receives progress and messages.
        dataset: the images, where they were read already.

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
    if request.target is not None:
        request.target.require_fitting(before.classes, positive=request.data.positive)
    if before.metadata.multi_label:
        _refuse_for_labels(request)
    dataset = dataset or _read(request, before.metadata)
    match = match_classes(before.classes, dataset.classes)
    with written_whole(request.output) as temporary:
        shutil.copyfile(before.model.path, temporary)
        bare = recalibrate(temporary, None, _without_promises(before.metadata))
        answers = _answer(Predictor.load(bare.path), before.model.path.parent, dataset, match, request, events=events)
        groups = number_groups([group or digest for group, digest in zip(answers.groups, answers.digests, strict=True)])
        seen = UnseenAnswers(
            probabilities=answers.probabilities, truth=answers.truth, groups=groups, novelty=answers.novelty
        )
        done = calibrate_answers(
            seen, before.classes, promise=request.promise, target=request.target, positive=request.data.positive
        )
        metadata = replace(
            bare.metadata,
            verdict=done.limits,
            operating_points=done.points,
            learnt_from=with_files(bare.metadata.learnt_from, answers.digests),
        )
        reference = _reference(
            done, metadata, seen, _look(answers, groups), tells_of_images=_tells_of_images(before.metadata)
        )
        recalibrate(temporary, done.step, replace(metadata, drift_reference=reference))
    _rewrite_pages(request.output, events)
    return Recalibrated(
        model=Predictor.load(request.output).model,
        image_count=len(seen.truth),
        sentences=(*describe_calibration(done), *lacking_reference(reference)),
    )


def _rewrite_pages(output: Path, events: Events) -> None:
    """Write the card and the report of a run again, where its own model file was calibrated."""
    if output.name != MODEL:
        return
    if (output.parent / REPORT).is_file():
        rebuild_report(output.parent, events=events)  # with the card
    else:
        write_model_card(output.parent)


def _without_promises(metadata: ModelMetadata) -> ModelMetadata:
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


def _reference(
    done: CalibratedAnswers,
    metadata: ModelMetadata,
    seen: UnseenAnswers,
    images: UnseenImages,
    *,
    tells_of_images: bool,
) -> DriftReference | None:
    reference = make_reference(
        done.fitted.probabilities,
        metadata,
        basis=seen.basis,
        groups=seen.groups,
        novelty=seen.novelty,
        images=images,
    )
    return reference if tells_of_images else without_embeddings(reference)


def _tells_of_images(metadata: ModelMetadata) -> bool:
    """Whether the file tells of single images: it lists those that it was trained on, or holds embeddings."""
    images = None if metadata.drift_reference is None else metadata.drift_reference.images
    return metadata.learnt_from is not None or (images is not None and images.embeddings is not None)


def _refuse_for_labels(request: CalibrateRequest) -> None:
    """Refuse what is made for models of one class each."""
    costs = request.target is not None and request.target.costs is not None
    if costs or request.data.positive is not None:
        raise UsageError(
            "the model is multi-label; --costs and --positive need a model that predicts one class per image",
            "Leave them out. --recall, --precision and --false-alarms-per set a threshold for each class.",
        )


def _read(request: CalibrateRequest, metadata: ModelMetadata) -> Dataset:
    """The images; of more than two classes, `--positive` only names the one that the target is about."""
    if request.target is not None and len(metadata.classes) > 2 and not metadata.multi_label:
        return read_source(replace(request.data, positive=None))
    return read_for_model(request.data, metadata)


def _answer(
    predictor: Predictor,
    run: Path,
    dataset: Dataset,
    match: ClassMatch,
    request: CalibrateRequest,
    *,
    events: Events,
) -> Answers:
    """The bare model's answers about every image that may be used."""
    parts = {row.digest: row.part for row in read_assignments(run / SPLITS)} if (run / SPLITS).exists() else {}
    learnt = find_learnt(predictor)

    def leave_out(row: int, digest: str) -> Reason | None:
        if parts.get(digest, CALIBRATION) != CALIBRATION:
            return LEARNT_FROM
        return None if parts else learnt.leaves_out(row, digest)

    want = Want(
        options=decode_options(request.data),
        match=match,
        looks=True,
        leave_out=leave_out,
        on_progress=events.reading,
    )
    known = match.truth(dataset.truth(), predictor.classes).is_known
    answers = answer(predictor, dataset, dict.fromkeys(np.flatnonzero(known).tolist(), CALIBRATION), want)
    if not answers.paths:
        others = sum(entry.code == LEARNT_FROM[0] for entry in answers.lost)
        raise DataError(
            f"{escape_path(dataset.source)}: no image is left to calibrate on: {others:,} images were used to train, "
            "choose or test the model",
            "Use labelled images that the model has not seen.",
        )
    return answers


def _look(answers: Answers, groups: Counts) -> UnseenImages:
    """What some of the answered images are like."""
    looked_at = np.isin(answers.rows, list(answers.looks))
    looks = list(answers.looks.values())
    return UnseenImages(
        part="calibration",
        embeddings=np.stack([one.embedding for one in looks]),
        statistics=[one.statistics for one in looks if one.statistics is not None],
        groups=groups[looked_at],
        novelty=None if answers.novelty is None else answers.novelty[looked_at],
    )
