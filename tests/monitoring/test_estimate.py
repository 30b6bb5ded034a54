"""Accuracy without labels: a fall of the confidence is enlarged, and new classes make the estimate untrustworthy."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.model_file.tiny import tiny_metadata
from vidi.model_file.decisions import say
from vidi.model_file.drift_reference import DriftReference, Histogram
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.monitoring.estimate import estimate_accuracy, estimate_parts
from vidi.monitoring.traffic import ModelTraffic

LIMITS = VerdictLimits(
    basis="calibration", image_count=400, max_error=0.05, level=0.95, coverage=0.9, novelty=10.0, novelty_share=0.01
)
REFERENCE = DriftReference(
    basis="calibration",
    answer_count=400,
    group_count=400,
    classes=(150, 130, 120),
    verdicts={"sure": 300, "unsure": 96, "unknown": 4},
    confidence=Histogram(edges=(0.85, 0.95), counts=(400,)),
)


def known(reference: DriftReference | None = REFERENCE) -> ModelMetadata:
    return replace(tiny_metadata(), verdict=LIMITS, drift_reference=reference)


def traffic(confidence: NDArray[np.float64], *, strange: int = 0) -> ModelTraffic:
    """Answers of these confidences, the first ones about images beyond the novelty limit."""
    count = len(confidence)
    probabilities = np.stack([confidence, (1 - confidence) / 2, (1 - confidence) / 2], axis=1).astype(np.float32)
    return ModelTraffic(
        at=np.arange(count, dtype=np.float64),
        digests=[f"{number:064x}" for number in range(count)],
        probabilities=probabilities,
        said=say(probabilities, tiny_metadata()),
        verdicts=["unsure"] * count,
        novelty=np.where(np.arange(count) < strange, 20.0, 5.0).astype(np.float32),
        qualities={},
    )


def test_as_in_the_reference_the_estimate_is_the_mean_confidence():
    found = estimate_accuracy(traffic(np.full(500, 0.9)), known())

    assert found.value == pytest.approx(0.9, abs=1e-6)
    assert (found.reference, found.distrust) == (pytest.approx(0.9), ())


def test_where_the_confidence_falls_the_estimate_falls_farther():
    found = estimate_accuracy(traffic(np.full(500, 0.75)), known())

    assert found.confidence == pytest.approx(0.75)
    assert 0.6 < found.value < 0.7


def test_a_higher_confidence_is_taken_as_it_is():
    assert estimate_accuracy(traffic(np.full(500, 0.97)), known()).value == pytest.approx(0.97)


def test_the_range_is_wider_for_few_images_a_small_reference_and_a_large_fall():
    def width(count: int, confidence: float, groups: int = 400) -> float:
        reference = replace(REFERENCE, group_count=groups)
        found = estimate_accuracy(traffic(np.full(count, confidence)), known(reference))
        return found.high - found.low

    usual = width(1_000, 0.9)
    assert width(60, 0.9) > usual
    assert width(1_000, 0.9, groups=40) > usual
    assert width(1_000, 0.7) > usual


@pytest.mark.parametrize(("strange", "distrust"), [(5, ()), (100, ("novelty",))])
def test_many_images_unlike_the_training_images_make_it_untrustworthy(strange: int, distrust: tuple[str, ...]):
    assert estimate_accuracy(traffic(np.full(500, 0.9), strange=strange), known()).distrust == distrust


def test_of_few_images_nothing_is_said():
    found = estimate_accuracy(traffic(np.full(49, 0.9)), known())

    assert (found.value, found.low, found.distrust) == (None, None, ("few",))


def test_without_a_reference_there_is_no_estimate():
    assert estimate_accuracy(traffic(np.full(100, 0.9)), known(None)) is None


def test_of_several_labels_the_whole_answer_counts():
    metadata = replace(
        tiny_metadata(), multi_label=True, verdict=None, drift_reference=replace(REFERENCE, verdicts=REFERENCE.verdicts)
    )
    probabilities = np.tile(np.array([0.9, 0.2, 0.1], np.float32), (100, 1))
    answers = replace(traffic(np.full(100, 0.9)), probabilities=probabilities, said=say(probabilities, metadata))

    found = estimate_accuracy(answers, metadata)

    assert found.value == pytest.approx(0.9 * 0.8 * 0.9)
    assert found.reference is None


def test_parts_follow_one_another_and_end_with_the_last_image():
    confidence = np.concatenate([np.full(300, 0.9), np.full(300, 0.7)])

    parts = estimate_parts(traffic(confidence), known())

    assert [end for end, _ in parts] == [50 * number for number in range(1, 13)]
    assert parts[0][1].value > parts[-1][1].value
