"""Gain and cost of an ensemble over its best single training, measured on the model files."""

import statistics
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.answers import TEST, Answers
from vidi.evaluation.scores import number_groups_or_images
from vidi.evaluation.sections import EnsembleFigures
from vidi.metrics.multi_label import logits_of
from vidi.metrics.outputs import SOFTMAX
from vidi.metrics.paired import PairedComparison, compare_paired
from vidi.model_file.metadata import Calibration
from vidi.model_file.values import from_plain
from vidi.model_file.write import model_bytes
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor
from vidi.training.combination import Combination
from vidi.workflows.interaction.events import Events
from vidi.workflows.run.answers import answer_test_images
from vidi.workflows.run.describe import describe_model
from vidi.workflows.run.learning.ensemble import compared_with, describe_gain
from vidi.workflows.run.learning.learn import LearnedModel

IMAGES_TIMED = 24


def ensemble_gain(
    learned: LearnedModel, answers: Answers, *, predictor: Predictor, events: Events
) -> EnsembleFigures | None:
    """What an ensemble gains on the test images and costs in time, for metrics.json; None of a single training."""
    combination, images = learned.trained.combination, learned.images
    if combination is None:
        return None
    # The model file of the best single training, in memory.
    alone = replace(learned.trained, network=combination.single, combination=None)
    metadata = describe_model(images, alone, run="single", unfinished="made to compare an ensemble with")
    single = Predictor.from_bytes(model_bytes(to_onnx(alone.network, alone.recipe.image_size), metadata))
    others = answer_test_images(single, images)
    return measure_gain(
        combination, answers, others, ensemble=predictor, single=single, pixels=images.pixels, events=events
    )


def measure_gain(
    combination: Combination,
    answers: Answers,
    single_answers: Answers,
    *,
    ensemble: Predictor,
    single: Predictor,
    pixels: NDArray[np.uint8],
    events: Events,
) -> EnsembleFigures:
    """Return the section `ensemble` of metrics.json.

    Args:
        pixels: (images, height, width, 3) uint8, framed; some are used to take the time.
    """
    document = {
        **combination.figures,
        "compared_with": compared_with(combination.single_number),
        "sentence": combination.reason,
    }
    if combination.way == "single":  # nothing to compare
        return from_plain(EnsembleFigures, {**document, "test": None, "milliseconds": None})
    gain = gain_on_test(before_calibration(answers, ensemble.metadata.calibration), single_answers)
    time_single, time_ensemble = milliseconds_per_image((single, ensemble), pixels)
    if gain is not None:
        events.say(describe_gain(gain, number=combination.single_number, part="test"))
    single_time = f"a single network {time_single:.2g} ms"
    events.say(f"cost: {time_ensemble:.2g} ms per image on this computer, {single_time}")
    cost = {"ensemble": round(time_ensemble, 4), "single": round(time_single, 4)}
    test = None if gain is None else gain.gain_as_json()
    return from_plain(EnsembleFigures, {**document, "test": test, "milliseconds": cost})


def gain_on_test(answers: Answers, other: Answers) -> PairedComparison | None:
    """Gain in accuracy of the first on the test images; None without test images.

    An image that only one of the two could read counts for neither.
    """
    places = {path: index for index, path in enumerate(other.paths)}
    rows = [index for index, path in enumerate(answers.paths) if answers.parts[index] == TEST and path in places]
    others = [places[answers.paths[row]] for row in rows]
    right, other_right = _is_right(answers)[rows], _is_right(other)[others]
    groups = number_groups_or_images([answers.groups[row] for row in rows], len(rows))
    return compare_paired(other_right, right, groups=groups)


def _is_right(answers: Answers) -> NDArray[np.bool_]:
    """(images,) bool; where images may show several classes, about all of them at even thresholds."""
    return answers.truth.correct(answers.probabilities)


def before_calibration(answers: Answers, step: Calibration | None) -> Answers:
    """The answers of a model for several classes as they were before its calibration, which the single one lacks.

    Where images show one class each calibration does not matter here, and they stay as they are.
    """
    outputs = answers.truth.outputs
    if step is None or outputs == SOFTMAX:
        return answers
    logits = (logits_of(answers.probabilities) - np.array(step.shift)) / np.array(step.scale)
    return replace(answers, probabilities=outputs.probabilities(logits).astype(np.float32))


def milliseconds_per_image(predictors: tuple[Predictor, ...], pixels: NDArray[np.uint8]) -> list[float]:
    """Median time of one framed image for each model file, measured in turns.

    Args:
        pixels: (images, height, width, 3) uint8, framed; the first few are used.
    """
    images = np.ascontiguousarray(pixels[:IMAGES_TIMED])
    seconds: list[list[float]] = [[] for _ in predictors]
    for predictor in predictors:
        predictor.run(images[:1], ("probabilities",))
    for index in range(len(images)):
        for own, predictor in zip(seconds, predictors, strict=True):
            start = time.perf_counter()
            predictor.run(images[index : index + 1], ("probabilities",))
            own.append(time.perf_counter() - start)
    return [1000 * statistics.median(own) for own in seconds]
