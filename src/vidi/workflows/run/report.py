"""The files of a tested model in its run folder: model file, figures, model card and report."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from vidi.evaluation.document import Metrics, Origin
from vidi.evaluation.run_files import write_metrics, write_predictions
from vidi.evaluation.sections import AccountFacts, DataFacts, ModelName, SplitFacts, StudyDocument, TrainingFacts
from vidi.evaluation.uses import digest_of_images, record_use
from vidi.files import escape_path, write_atomic
from vidi.model_file.read import ModelFile
from vidi.model_file.values import from_plain
from vidi.report.cards import write_model_card
from vidi.report.pages.run import write_report
from vidi.training.trained import TrainedNetwork
from vidi.workflows.explaining.neighbours import TrainingImage, write_neighbours
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.run.budget import Stopwatch
from vidi.workflows.run.describe import describe_data
from vidi.workflows.run.evaluate import TestedModel
from vidi.workflows.run.known import ModelCalibration
from vidi.workflows.run.learning.label_errors import read_study
from vidi.workflows.run.learning.learn import LearnedModel


def report_run(
    folder: Path,
    learned: LearnedModel,
    *,
    calibrated: ModelCalibration,
    tested: TestedModel,
    with_images: bool,
    watch: Stopwatch,
) -> None:
    """Write the test figures, then the finished model, then its pages.

    Args:
        with_images: False leaves every picture out.
    """
    model, images = tested.model, learned.images
    weights = model.metadata.weights_digest
    known = calibrated.known
    write_neighbours(
        folder,
        known.rows,
        known.embeddings,
        partial(_training_image, learned),
        framing=images.framing,
        weights_digest=weights,
        with_images=with_images,
    )
    metrics = replace(
        _with_origin(tested.metrics, learned, model, run=folder.name),
        account=AccountFacts.of(tested.account),
        test_uses=record_use(
            folder, images=digest_of_images(tested.answers.digests), model_id=model.model_id, date=datetime.now(UTC)
        ),
    )
    metrics = with_studies(metrics, folder)
    write_predictions(folder, tested.answers, model.metadata)
    write_metrics(folder, replace(metrics, seconds=watch.rounded()))
    write_atomic(model.path, model.data)  # from here on the run is finished
    write_model_card(folder)
    options = decode_options(images.request)
    write_report(folder, store=images.dataset.store, options=options, with_images=with_images)
    write_metrics(folder, replace(metrics, seconds=watch.rounded()))  # with the report's own


def _training_image(learned: LearnedModel, row: int) -> TrainingImage:
    """An image of the data as the index of similar images keeps it."""
    images = learned.images
    image, record = images.dataset.images[row], images.check.records[row]
    return TrainingImage(
        path=image.path,
        labels=tuple(images.dataset.classes[index] for index in sorted(image.labels)),
        digest=record.digest,
        size=record.size,
        framed=images.pixels[row],
    )


def with_studies(metrics: Metrics, folder: Path) -> Metrics:
    """The metrics, and what the run found out about its images beside the network."""
    studied = from_plain(StudyDocument, read_study(folder))
    labels = replace(metrics.labels, label_errors=studied.label_errors, learning_curve=studied.learning_curve)
    return replace(metrics, labels=labels)


def _with_origin(metrics: Metrics, learned: LearnedModel, model: ModelFile, *, run: str) -> Metrics:
    """The metrics, and where they come from: data, split, training and calibration."""
    step, images = model.metadata.calibration, learned.images
    origin = Origin(
        model=name_model(model, run=run),
        data=from_plain(DataFacts, {"source": escape_path(images.dataset.source), **describe_data(images)}),
        split=SplitFacts(
            leaks=tuple(leak.sentence for leak in images.split.leaks),
            untested_classes=tuple(images.split.untested_classes),
        ),
        training=describe_training(learned.trained),
    )
    return replace(metrics, origin=origin, calibration=None if step is None else dict(step.figures))


def name_model(model: ModelFile, *, run: str) -> ModelName:
    """Which model the figures are of, for metrics.json."""
    metadata = model.metadata
    return ModelName(id=model.model_id, date=metadata.provenance.date, run=run, weights_digest=metadata.weights_digest)


def describe_training(trained: TrainedNetwork) -> TrainingFacts:
    """Describe the training of the network, for metrics.json."""
    return TrainingFacts(
        epochs=len(trained.history),
        best_epoch=trained.best_epoch,
        stopped_by=trained.stopped_by,
        seconds=round(sum(row.seconds for row in trained.history), 1),
        notes=trained.notes,
    )
