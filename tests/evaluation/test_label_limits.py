"""What is promised of answers that name several classes holds, over calibration sets that were drawn anew."""

import numpy as np
import pytest

from vidi.evaluation.answers import Answers, SeveralCalled, as_called, join_names
from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers, cross_fitted_calls
from vidi.evaluation.guarantees.operating import BEST_F1
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.evaluation.guarantees.verdicts import evaluate_verdicts
from vidi.images.framing import Framing
from vidi.metrics.multi_label import logits_of
from vidi.metrics.truth import SeveralClasses
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import as_plain, read_part
from vidi.prediction.prediction import decide
from vidi.report.words.guarantees import describe_limits

NAMES = ("ant", "bee", "cat")


def drawn(images: int, *, seed: int, sharpness: float = 1.0):
    """Answers of a model whose classes hang together a little, so that they are not quite independent."""
    random = np.random.default_rng(seed)
    logits = 9 * random.normal(size=(images, 3)) + random.normal(size=(images, 1)) - 1
    targets = random.random((images, 3)) < 1 / (1 + np.exp(-logits))
    return (1 / (1 + np.exp(-sharpness * logits))).astype(np.float32), targets


def calibrated(probabilities, targets, *, promise: GuaranteeTargets | None = None, novelty=None):
    answers = UnseenAnswers(probabilities=probabilities, truth=SeveralClasses.of(targets), groups=None, novelty=novelty)
    return calibrate_answers(answers, NAMES, promise=promise or GuaranteeTargets())


def model_of(seed: int, *, images: int = 400, promise: GuaranteeTargets | None = None, **others):
    probabilities, targets = drawn(images, seed=seed)
    done = calibrated(probabilities, targets, promise=promise, **others)
    metadata = ModelMetadata(
        classes=NAMES, framing=Framing(size=(8, 8)), multi_label=True, verdict=done.limits, operating_points=done.points
    )
    return metadata, done


def answers_of(metadata: ModelMetadata, done, *, seed: int, images: int = 300) -> Answers:
    probabilities, targets = drawn(images, seed=seed)
    moved = done.fitted.step.apply(probabilities).astype(np.float32)
    return Answers(
        classes=NAMES,
        paths=tuple(map(str, range(images))),
        truths=tuple(join_names(NAMES, row) for row in targets),
        probabilities=moved,
        parts=("test",) * images,
        digests=("",) * images,
        groups=("",) * images,
        near_duplicates=(False,) * images,
        several=SeveralCalled(
            shown=targets, called=as_called([decide(row, metadata).decision for row in moved], NAMES)
        ),
    )


@pytest.mark.slow  # over half a second of processor time: many calibration sets
def test_over_many_calibration_sets_the_promises_are_kept():
    coverage, broken, promised = [], 0, 0
    for seed in range(25):
        metadata, done = model_of(seed)
        found = evaluate_verdicts(answers_of(metadata, done, seed=1_000 + seed), metadata.verdict)
        coverage.append(found.coverage.value)
        if found.sure_error.value is not None:
            promised += 1
            broken += found.sure_error.interval.low > 0.05

    assert 0.94 <= np.mean(coverage) <= 0.97  # what is called always is a candidate, which can only lift it
    assert promised >= 22
    assert broken <= 2


def test_what_is_scored_is_what_each_answer_says():
    metadata, done = model_of(0)
    answers = answers_of(metadata, done, seed=1)

    found = evaluate_verdicts(answers, metadata.verdict)

    said = [decide(row, metadata) for row in answers.probabilities]
    assert found.sure_share.value == np.mean([one.verdict == "sure" for one in said])
    assert found.mean_candidates == np.mean([len(one.candidates) for one in said])
    held = [
        set(truth.split("|")) - {""} <= set(one.candidates) for truth, one in zip(answers.truths, said, strict=True)
    ]
    assert found.coverage.value == np.mean(held)
    assert all(set(one.decision) <= set(one.candidates) for one in said)


def test_neither_order_nor_batches_of_the_images_matter():
    metadata, done = model_of(0)
    answers = answers_of(metadata, done, seed=1)
    order = np.random.default_rng(0).permutation(300)

    forward = [decide(row, metadata).candidates for row in answers.probabilities]
    mixed = [decide(row, metadata).candidates for row in answers.probabilities[order]]

    assert mixed == [forward[row] for row in order.tolist()]
    assert evaluate_verdicts(answers.only(np.arange(300) < 150), metadata.verdict).sure_share.image_count == 150


def test_a_stranger_is_unknown_whatever_it_is_called():
    metadata, _ = model_of(0, novelty=np.linspace(0, 1, 400))
    row = np.array([0.99, 0.01, 0.01], np.float32)

    assert decide(row, metadata, novelty=0.5).verdict == "sure"
    assert decide(row, metadata, novelty=1.5).verdict == "unknown"


def test_wider_promises_say_more_and_stricter_ones_are_surer():
    (usual, _), (wide, _) = model_of(0), model_of(0, promise=GuaranteeTargets(coverage=0.99, max_error=0.02))

    assert wide.verdict.candidate < usual.verdict.candidate
    assert wide.verdict.sure is None or wide.verdict.sure > usual.verdict.sure


def test_too_few_images_promise_nothing_and_the_number_that_is_missing_is_said():
    _, done = model_of(0, images=15)

    sure, candidates, *_ = describe_limits(done.limits)

    assert (done.limits.sure, done.limits.candidate) == (None, None)
    assert "at most 5 % wrong in any class, vidi needs 59 calibration images" in sure
    assert "95 % coverage needs 19 calibration images" in candidates


def test_images_that_show_nothing_are_always_covered():
    probabilities = np.full((40, 3), 0.1, np.float32)

    done = calibrated(probabilities, np.zeros((40, 3), bool))

    assert done.limits.candidate == 1.0


def test_thresholds_are_chosen_without_the_image_that_they_call():
    probabilities, targets = drawn(200, seed=2)
    other = targets.copy()
    other[:, 0] ^= np.arange(200) == 7

    calls = [cross_fitted_calls(probabilities, each, NAMES, target=BEST_F1) for each in (targets, other)]

    np.testing.assert_array_equal(calls[0][7], calls[1][7])


def test_the_limits_survive_the_file_and_fit_no_other_kind_of_model():
    metadata, _ = model_of(0)

    assert read_part(VerdictLimits, as_plain(metadata.verdict)) == metadata.verdict
    with pytest.raises(Exception, match="ranked by 'all-classes'"):
        ModelMetadata(classes=NAMES, framing=Framing(size=(8, 8)), verdict=metadata.verdict)


def test_answers_that_state_too_much_are_as_right_once_calibrated():
    honest, targets = drawn(400, seed=5)
    loud = (1 / (1 + np.exp(-3 * logits_of(honest)))).astype(np.float32)

    done = [calibrated(each, targets) for each in (honest, loud)]

    assert done[0].limits.sure_images == pytest.approx(done[1].limits.sure_images, abs=25)
