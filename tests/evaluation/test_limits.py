"""Limits: they keep what was promised, say what is missing, and are measured on the test part as they are used."""

import numpy as np
import pytest

from tests.metrics.answers import honest_answers
from vidi.errors import UsageError
from vidi.evaluation.answers import Answers
from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers, choose_ranking, find_limits
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.evaluation.guarantees.verdicts import evaluate_verdicts
from vidi.images.framing import Framing
from vidi.metrics.truth import OneClass
from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.prediction import decide
from vidi.report.words.guarantees import describe_limits

NAMES = ("ant", "bee", "cat")


def limits_from(images: int, **promise: float):
    return limits_of(*honest_answers(images=images), promise=GuaranteeTargets(**promise))


def limits_of(probabilities, labels, *, promise: GuaranteeTargets | None = None, novelty=None, basis="calibration"):
    truth = OneClass(labels=labels, class_count=probabilities.shape[1])
    answers = UnseenAnswers(probabilities=probabilities, truth=truth, groups=None, novelty=novelty, basis=basis)
    return find_limits(probabilities, answers, promise=promise or GuaranteeTargets())


def answers_of(images: int, *, seed: int = 1, groups: tuple[str, ...] | None = None) -> Answers:
    probabilities, labels = honest_answers(images=images, seed=seed)
    return Answers.of(
        NAMES,
        [f"{row}.png" for row in range(images)],
        truths=[NAMES[label] for label in labels],
        probabilities=probabilities.astype(np.float32),
        groups=groups,
    )


def test_a_promise_is_kept_on_other_images():
    limits = limits_from(1_000, max_error=0.3, coverage=0.9)

    figures = evaluate_verdicts(answers_of(5_000), limits)

    assert 0.2 < figures.sure_error.value < 0.3
    assert figures.sure_error.image_count == round(figures.sure_share.value * 5_000)
    assert 0.88 < figures.coverage.value < 0.93
    assert figures.coverage_by_chance.low < figures.coverage.value < figures.coverage_by_chance.high
    assert 1 < figures.mean_candidates < 3
    assert figures.risk_coverage.area == pytest.approx(np.mean(figures.risk_coverage.risk), abs=0.02)


def test_what_evaluation_counts_is_what_an_answer_says():
    limits, answers = limits_from(1_000, max_error=0.3), answers_of(200)
    metadata = ModelMetadata(classes=NAMES, framing=Framing(size=(8, 8)), verdict=limits)

    shipped = [decide(row, metadata) for row in answers.probabilities]
    figures = evaluate_verdicts(answers, limits)

    assert 0 < figures.sure_share.value < 1
    assert figures.sure_share.value == np.mean([one.verdict == "sure" for one in shipped])
    assert figures.mean_candidates == np.mean([len(one.candidates) for one in shipped])
    held = [truth in one.candidates for truth, one in zip(answers.truths, shipped, strict=True)]
    assert figures.coverage.value == np.mean(held)


def test_too_few_images_promise_nothing_and_the_number_is_said():
    limits = limits_from(15)

    sure, candidates = describe_limits(limits)

    assert (limits.sure, limits.candidate) == (None, None)
    assert "needs 59 calibration images without an error; there are 15" in sure
    assert "needs 19 calibration images; there are 15" in candidates
    figures = evaluate_verdicts(answers_of(50), limits)
    assert (figures.sure_share.value, figures.sure_error.value, figures.mean_candidates) == (0.0, None, 1.0)


def test_a_model_that_is_wrong_too_often_promises_no_sure_answer():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 300)

    limits = limits_of(probabilities, random.integers(0, 3, 300))

    assert limits.sure is None
    assert "even the most confident answers may be wrong" in describe_limits(limits)[0]


def test_an_estimate_is_called_one():
    probabilities, labels = honest_answers(images=500)

    limits = limits_of(probabilities, labels, basis="out-of-fold")

    assert all(sentence.startswith("estimated: ") for sentence in describe_limits(limits))


@pytest.mark.parametrize(("images", "said"), [(60, "about 2 in 100"), (200, "about 1 in 100")])
def test_what_is_unknown_is_said_as_it_was_found(images, said):
    probabilities, labels = honest_answers(images=images)
    novelty = np.arange(float(images))

    limits = limits_of(probabilities, labels, novelty=novelty)

    assert said in describe_limits(limits)[-1]
    assert (novelty > limits.novelty).mean() <= (0.02 if images < 99 else 0.01)


def test_images_of_one_group_widen_the_interval():
    limits = limits_from(500)
    groups = tuple(f"g{row // 20}" for row in range(400))

    alone, together = (evaluate_verdicts(answers_of(400, groups=g), limits).coverage.interval for g in (None, groups))

    assert together.low <= alone.low
    assert together.high >= alone.high


def test_the_usual_ranking_stays_unless_another_is_clearly_better():
    probabilities, labels = honest_answers(images=2_000)

    assert choose_ranking(probabilities, labels) == "probability"
    assert choose_ranking(probabilities[:0], labels[:0]) == "probability"


def test_another_ranking_is_taken_where_the_top_probability_misleads():
    # Wrong answers are stated with confidence, but with a close second; right ones the other way round.
    right = np.tile([0.50, 0.25, 0.25], (300, 1))
    wrong = np.tile([0.52, 0.47, 0.01], (100, 1))
    labels = np.concatenate([np.zeros(300, np.int64), np.ones(100, np.int64)])

    assert choose_ranking(np.concatenate([right, wrong]), labels) == "margin"


def test_the_fitted_step_is_what_the_model_file_applies():
    sharp, labels = honest_answers(images=400)
    sharp = sharp**3 / (sharp**3).sum(axis=1, keepdims=True)
    truth = OneClass(labels=labels, class_count=sharp.shape[1])
    given = UnseenAnswers(probabilities=sharp, truth=truth, groups=None, novelty=None)
    done = calibrate_answers(given, ("a", "b", "c"), promise=GuaranteeTargets())

    logits = done.step.apply(np.log(sharp))

    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), done.fitted.step.apply(sharp), atol=1e-9)


@pytest.mark.parametrize("wrong", [{"max_error": 0.0}, {"max_error": 5.0}, {"coverage": 1.0}])
def test_a_promise_that_cannot_be_kept_is_refused(wrong):
    with pytest.raises(UsageError, match="between 0 and 1"):
        GuaranteeTargets(**wrong)
