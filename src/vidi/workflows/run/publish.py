"""From a trained network to the model file, its test, and the pages about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from vidi.data.splitting.leaks import describe_leak
from vidi.errors import DataError
from vidi.evaluation.answers import Answers, as_called, as_column, name_truths, write_predictions
from vidi.evaluation.document import evaluate_parts, metrics_document, promise_figures, write_metrics
from vidi.evaluation.evaluation import Evaluation
from vidi.evaluation.traits import measure_traits, traits_of
from vidi.evaluation.uses import digest_of_images, record_use
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.machine import Deadline
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.read import ModelFile
from vidi.model_file.write import set_metadata, write_model
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor
from vidi.prediction.stream import Answer
from vidi.report.pages.model_card import write_model_card
from vidi.report.pages.run import write_report
from vidi.training.train import TrainedNetwork
from vidi.workflows.ensembles.gain import measure_gain, single_predictor
from vidi.workflows.evaluating.trust import measure_trust
from vidi.workflows.explaining.neighbours import write_neighbours
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.interaction.run_folder import METRICS, MODEL, PREDICTIONS
from vidi.workflows.negatives.counter_examples import answer_counter_examples, describe_counter_examples
from vidi.workflows.run.calibrate import Calibrated
from vidi.workflows.run.describe import describe_data, describe_model
from vidi.workflows.run.learn import as_training_data
from vidi.workflows.run.parity import IMAGE_COUNT, require_parity
from vidi.workflows.run.prepare import Prepared
from vidi.workflows.studies.label_errors import read_study

MOST_LOST = 0.01  # of the images may vanish or change while it trains
UNFINISHED = "training was interrupted: not calibrated, not tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became known while a finished model was tested."""

    test: Evaluation | None  # None where no image was kept for the test
    refused: int  # images that could not be used, those lost since the check included


def publish_unfinished(folder: Path, prepared: Prepared, trained: TrainedNetwork) -> None:
    """Write the model file, marked unfinished until it is calibrated and tested; it must agree with torch.

    Raises:
        GateError: it does not.
    """
    metadata = describe_model(prepared, trained, run=folder.name, unfinished=UNFINISHED)
    path = folder / MODEL
    write_model(path, to_onnx(trained.network, trained.recipe.image_size), metadata)
    rows = as_training_data(prepared).train_rows[:IMAGE_COUNT]
    try:
        require_parity(trained, Predictor.load(path), np.ascontiguousarray(prepared.pixels[rows]))
    except BaseException:
        path.unlink()
        raise


def publish_finished(
    folder: Path,
    prepared: Prepared,
    trained: TrainedNetwork,
    calibrated: Calibrated,
    *,
    with_images: bool,
    deadline: Deadline | None = None,
    events: Events = SILENCE,
) -> Published:
    """Calibrate the model file, test it through the path that every answer takes, and write everything about it."""
    path, options = folder / MODEL, decode_options(prepared.request)
    metadata = describe_model(prepared, trained, run=folder.name, unfinished=UNFINISHED)
    # Scored with its calibration in place, but still marked unfinished: a kill here leaves an honest file.
    promising = replace(
        metadata, unfinished=None, calibration=calibrated.step, verdict=calibrated.limits,
        operating_points=calibrated.points,
    )  # fmt: skip
    scored = folder / f".scored-{MODEL}"
    write_model(scored, to_onnx(trained.network, trained.recipe.image_size), promising, novelty=calibrated.known.score)
    predictor = Predictor.load(scored)
    known, lost = answer_test_images(predictor, prepared)
    answers = _with_counter_examples(known, predictor, prepared, calibrated.limits, events=events)
    account = prepared.check.account.without(lost)
    figures = evaluate_parts(answers, seed=trained.recipe.seed)
    test = figures.get("test") if "test" in answers.parts else None
    set_metadata(scored, replace(promising, test=None if test is None else short_figures(test)))
    model = Predictor.load(scored).model
    weights = model.metadata.weights_digest  # what follows may take all the time that is left, but for the report
    write_neighbours(folder, prepared, calibrated.known, weights_digest=weights, with_images=with_images)
    about = {
        "model": name_model(model, run=folder.name),
        **_describe_origin(prepared, trained, model),
        **promise_figures(answers, promising, seed=trained.recipe.seed),
        "account": account.as_json(),
        "ensemble": _ensemble_gain(prepared, trained, answers, predictor=predictor, events=events),
        **read_study(folder),
        **measure_trust(
            predictor, known, prepared.dataset.store,
            options=options, seed=trained.recipe.seed, deadline=deadline, events=events,
        ),
        "test_uses": record_use(
            folder, images=digest_of_images(answers.digests), model_id=model.model_id, date=datetime.now(UTC)
        ),
    }  # fmt: skip
    write_predictions(folder / PREDICTIONS, answers, promising)
    write_metrics(folder / METRICS, metrics_document(answers, figures, about=about, limits=calibrated.limits))
    scored.replace(path)
    write_model_card(folder)
    write_report(folder, store=prepared.dataset.store, options=options, with_images=with_images)
    return Published(test=test, refused=len(account.refused))


def _with_counter_examples(
    known: Answers, predictor: Predictor, prepared: Prepared, limits: VerdictLimits, *, events: Events
) -> Answers:
    """The answers, and those about counter-examples kept for the test, which no class of one class each is true of."""
    others = answer_counter_examples(predictor, prepared)
    for sentence in describe_counter_examples(others, limits):
        events.say(sentence)
    return known.followed_by(others) if known.targets is None else known


def _describe_origin(prepared: Prepared, trained: TrainedNetwork, model: ModelFile) -> dict[str, object]:
    """Where a model's figures come from, for metrics.json: data, split, training and calibration."""
    return {
        "data": {"source": escape_path(prepared.dataset.source), **describe_data(prepared)},
        "split": {
            "leaks": [describe_leak(leak.crossing) for leak in prepared.split.leaks],
            "untested_classes": list(prepared.split.untested_classes),
        },
        "training": describe_training(trained),
        "calibration": model.metadata.calibration and dict(model.metadata.calibration.figures),
    }


def name_model(model: ModelFile, *, run: str) -> dict[str, object]:
    """Which model the figures are of, for metrics.json."""
    metadata = model.metadata
    return {"id": model.model_id, "date": metadata.date, "run": run, "weights_digest": metadata.weights_digest}


def _ensemble_gain(
    prepared: Prepared, trained: TrainedNetwork, answers: Answers, *, predictor: Predictor, events: Events
) -> dict[str, object] | None:
    """What an ensemble gains on the test images and costs in time, for metrics.json; None of a single training."""
    if trained.combination is None:
        return None
    single = single_predictor(prepared, trained, trained.combination)
    others, _ = answer_test_images(single, prepared)
    return measure_gain(
        trained.combination, answers, others, ensemble=predictor, single=single, pixels=prepared.pixels, events=events
    )


def answer_test_images(predictor: Predictor, prepared: Prepared) -> tuple[Answers, list[Entry]]:
    """The model file's answers about the images of the parts `test` and `extra`, read from their files again.

    Returns:
        The answers, and the files that are gone, unreadable or changed since they were checked.

    Raises:
        DataError: more than one in a hundred of the data set's images is lost that way.
    """
    seen, lost = _read_back(predictor, prepared)
    images = prepared.dataset.images
    if len(lost) > MOST_LOST * len(images):
        raise DataError(
            f"{len(lost)} of {len(seen) + len(lost)} test images are gone or changed, "
            f"first {escape_path(lost[0].path)}",
            "Leave the data alone while vidi trains; then finish with `vidi train --resume RUN --finish`.",
        )
    classes, suspect = prepared.dataset.classes, set(prepared.split.suspect_test_rows)
    shown, probabilities = prepared.targets, [said.probabilities for _, _, said in seen]
    targets = None if shown is None else shown[[row for row, _, _ in seen]]
    known = Answers(
        classes=classes,
        paths=tuple(images[row].path for row, _, _ in seen),
        truths=name_truths(classes, [images[row].labels for row, _, _ in seen]),
        probabilities=np.array(probabilities, np.float32).reshape(-1, len(classes)),
        parts=tuple(prepared.split.parts[row] for row, _, _ in seen),
        digests=tuple(answer.digest for _, answer, _ in seen),
        groups=tuple(prepared.split.groups[row] for row, _, _ in seen),
        near_copies=tuple(row in suspect for row, _, _ in seen),
        novelty=as_column([said.novelty for _, _, said in seen]),
        targets=targets,
        called=None if targets is None else as_called([said.decision for _, _, said in seen], classes),
        traits=tuple(
            traits_of(answer, images[row], class_names=[classes[label] for label in images[row].labels])
            for row, answer, _ in seen
        ),
    )
    return known, lost


def _read_back(predictor: Predictor, prepared: Prepared) -> tuple[list[tuple[int, Answer, Prediction]], list[Entry]]:
    """Each test image that is still there, by its row, with what the model says of it; and those that are lost."""
    rows = np.concatenate([prepared.split.rows("test"), prepared.split.rows("extra")]).tolist()
    images, records = prepared.dataset.images, prepared.check.records
    stream = predictor.predict_files(
        [images[row].path for row in rows],
        store=prepared.dataset.store,
        options=decode_options(prepared.request),
        measure=measure_traits,
    )
    seen: list[tuple[int, Answer, Prediction]] = []
    lost: list[Entry] = []
    for row, answer in zip(rows, stream, strict=True):
        if answer.prediction is None:
            assert answer.error is not None  # noqa: S101  # an answer has one of the two
            lost.append(Entry(answer.path, answer.error.code, answer.error.cause))
        elif answer.digest != records[row].digest:
            lost.append(Entry(answer.path, "changed", "The file changed after it was checked."))
        else:
            seen.append((row, answer, answer.prediction))
    return seen, lost


def short_figures(test: Evaluation) -> dict[str, Any]:
    """The test figures that travel in the model file."""
    document = test.as_json()
    names = ["images", "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier_loss"]
    per_class: Any = document["per_class"]
    if test.hamming_loss is not None:
        names = ["images", "accuracy", "macro_f1", "hamming_loss", "log_loss"]
    return {
        **{name: document[name] for name in names},
        **({} if test.hamming_loss is None else {"mean_average_precision": test.average_precision}),
        "calibration_error": test.calibration.error,
        "recall": {row["class"]: row["recall"] for row in per_class},
    }


def describe_training(trained: TrainedNetwork) -> Mapping[str, object]:
    """How the network came about, for metrics.json."""
    return {
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "stopped_by": trained.stopped_by,
        "seconds": round(sum(row.seconds for row in trained.history), 1),
        "notes": list(trained.notes),
    }
