"""What the page says in words, checked against the figures."""

from dataclasses import replace

import numpy as np
import pytest

from vidi.evaluation.evaluate import evaluate_predictions
from vidi.evaluation.guarantees.verdicts import OperatingFigures, PointFigures, RiskCoverage, VerdictFigures
from vidi.evaluation.scores import Estimate
from vidi.evaluation.sections import GainOfClass, LabelErrors, LearningFigures
from vidi.export.model_document import verdict_sentences
from vidi.metrics.intervals import Interval
from vidi.metrics.learning_curve import Gain
from vidi.model_file.limits import VerdictLimits
from vidi.prediction.words import why_never_sure
from vidi.report.words.guarantees import describe_limits
from vidi.report.words.sentences import (
    expectation,
    headline,
    honesty,
    more_images,
    operating,
    sureness,
    suspicion,
    untested,
    weakness,
)
from vidi.report.words.text import NO_BREAK_SPACE, percent


def scored(labels, predicted, *, confidence=0.8, classes=("cat", "dog")):
    """The figures of answers given with one confidence."""
    rest = (1 - confidence) / (len(classes) - 1)
    probabilities = np.eye(len(classes))[list(predicted)] * (confidence - rest) + rest
    return evaluate_predictions(probabilities, np.array(labels, dtype=np.int64), classes)


def said(sentence):
    return sentence.replace(NO_BREAK_SPACE, " ")


def test_headline_counts_images():
    assert said(headline(scored([0, 0, 1, 1], [0, 0, 1, 0]))) == (
        "The model classified 3 of 4 held-out images correctly: 75 %."
    )


def test_headline_of_a_perfect_test_does_not_say_100_percent():
    assert headline(scored([0, 1], [0, 1])) == "The model classified all 2 held-out images correctly."


@pytest.mark.parametrize("test", [None, scored([], [])])
def test_headline_without_a_test_says_so(test):
    assert headline(test) == "This model has not been tested yet: its accuracy is unknown."


def test_expectation_names_the_range_and_the_blind_guess():
    sentence = said(expectation(scored([0] * 30 + [1] * 10, [0] * 40)))

    assert sentence == (
        "On more images like these, expect an accuracy between 60 % and 86 %. The range is wide because "
        "the test part is small. Always predicting “cat” would be correct for 75 % of the images."
    )


def test_weakness_names_the_class_and_what_it_is_taken_for():
    assert weakness(scored([0, 0, 1, 1, 1], [0, 0, 1, 0, 0])) == (
        "Its weakest class is “dog”: it classified 1 of 3 images correctly, and mistook 2 for “cat”."
    )


def test_perfect_answers_have_no_weakness():
    assert said(weakness(scored([0, 1], [0, 1]))) == "The recall of every class is 100 %."


@pytest.mark.parametrize(
    ("confidence", "right", "word"),
    [(0.8, 160, "calibrated"), (0.95, 120, "overconfident"), (0.55, 190, "underconfident")],
)
def test_honesty_compares_what_is_stated_with_what_is_reached(confidence, right, word):
    labels = [0] * 200
    predicted = [0] * right + [1] * (200 - right)
    random = np.random.default_rng(0)

    assert honesty(scored(labels, random.permutation(predicted), confidence=confidence))[0] == word


def test_untested_classes_are_named():
    assert untested(scored([0], [0])) == ("No test image shows “dog”, so the recall is unknown.")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.9999, "99.99 %"), (0.00049, "0.05 %"), (0.745, "74 %"), (0.999999, "> 99.99 %")],
)
def test_percent_never_rounds_to_certainty(value, shown):
    assert said(percent(value)) == shown


def test_few_test_images_leave_the_confidence_unjudged():
    assert honesty(scored([0, 0, 1, 1], [0, 0, 1, 0]))[0] == "not checked"


def gained(value, low, high, **classes):
    """What a learning curve says of twice the images, for all and for each class."""
    return LearningFigures(
        features_of="lite0",
        held_out=70,
        images=70,
        counts=(14, 28, 56),
        errors=(0.4, 0.3, 0.25),
        gain=Gain(error=0.2, value=value, low=low, high=high),
        per_class=tuple(
            GainOfClass(name=name, error=0.2, value=of, low=of / 2, high=2 * of) for name, of in classes.items()
        ),
        reach=(),
    )


def test_more_images_are_worth_it_with_their_range_and_the_class_that_gains_most():
    assert more_images(gained(0.021, 0.012, 0.031, cat=0.01, dog=0.04)) == (
        "Twice the images: about 2.1 points (1.2 to 3.1) more accuracy. “dog” gains most: 4.0 points (2.0 to 8.0)."
    )


def test_more_images_that_may_bring_nothing_are_a_perhaps():
    assert more_images(gained(0.02, 0.0, 0.05)) == "Twice the images: perhaps 2.0 points (0.0 to 5.0) more accuracy."


def test_more_images_that_bring_nothing_are_called_that():
    assert more_images(gained(0.003, 0.0, 0.008, cat=0.004)) == (
        "More images of these classes would hardly help: 0.3 points (0.0 to 0.8) with twice as many."
    )


def test_what_was_not_measured_is_not_spoken_of():
    assert more_images(None) == suspicion(None) == ""


@pytest.mark.parametrize(
    ("listed", "left_out", "end"),
    [
        (0, 0, "none has a label that is probably wrong."),
        (1, 0, "1 (0.5 %) has a label that may be wrong."),
        (4, 1, "4 (2.0 %) have labels that may be wrong. 1 of them was left out of training."),
        (4, 3, "4 (2.0 %) have labels that may be wrong. 3 of them were left out of training."),
    ],
)
def test_labels_that_may_be_wrong_are_counted(listed, left_out, end):
    found = LabelErrors(images=200, listed=listed, left_out=left_out)

    assert said(suspicion(found)) == f"Of 200 images used for training and validation, {end}"


def verdicts(*, sure_share: Estimate, sure_error: Estimate) -> VerdictFigures:
    """What became of a promise of at most 5 % wrong sure answers."""
    return VerdictFigures(
        max_error=0.05,
        stated_coverage=0.95,
        basis="calibration",
        ranking="top",
        unknown_share=Estimate(0.0, None, 125),
        sure_share=sure_share,
        sure_error=sure_error,
        coverage=Estimate(0.95, None, 125),
        coverage_by_chance=None,
        mean_candidates=1.2,
        risk_coverage=RiskCoverage(answered=(), risk=(), area=None),
    )


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (
            Estimate(0.02, Interval(0.005, 0.06), 100),
            "2 of these 100 were wrong (2.0 %; guaranteed: at most 5.0 %). Check the others.",
        ),
        (
            Estimate(0.2, Interval(0.13, 0.29), 100),
            "20 of these 100 were wrong (20.0 %; more than guaranteed). Check the others.",
        ),
    ],
)
def test_how_many_answers_are_sure(error, end):
    found = verdicts(sure_share=Estimate(0.8, Interval(0.7, 0.9), 125), sure_error=error)

    assert said(sureness(found, None)) == f"It calls 80 % of its answers sure; {end}"


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (40, "to guarantee at most 5 % wrong, vidi needs 59 calibration images without an error; there are 40"),
        (354, "on 354 calibration images, even the most confident answers may be wrong more often than 5 %"),
    ],
)
def test_where_no_answer_is_sure_every_surface_gives_the_same_reason(images, reason):
    limits = VerdictLimits(basis="calibration", image_count=images, max_error=0.05, level=0.95, coverage=0.95)
    found = verdicts(sure_share=Estimate(0.0, Interval(0.0, 0.1), 40), sure_error=Estimate(None, None, 0))

    assert why_never_sure(limits) == f"no answer of this model is called sure: {reason}"
    assert reason in said(sureness(found, limits))
    assert reason in describe_limits(limits)[0]
    assert reason in str((verdict_sentences(limits) or {})["never_sure"])
    assert why_never_sure(replace(limits, sure=0.9)) == why_never_sure(None) == ""


def at_point(*, broken: bool | None, threshold: float | None = 0.3) -> OperatingFigures:
    """One class's figures at a target recall of 99 %."""
    one = PointFigures(
        name="ant",
        threshold=threshold,
        is_promised=True,
        recall=Estimate(0.98, Interval(0.93, 0.99), 50),
        precision=Estimate(None, None, 0),
        false_alarms=Estimate(0.05, Interval(0.01, 0.1), 100),
        is_broken=broken,
    )
    return OperatingFigures(
        measure="recall",
        share=0.99,
        positive=None,
        basis="calibration",
        calibration_images=150,
        per_class=(one,),
        mean_cost=None,
        mean_cost_of_labels=None,
    )


@pytest.mark.parametrize(
    ("broken", "end"), [(False, "This agrees with the target."), (True, "This misses the target.")]
)
def test_whether_a_target_is_met_is_said_in_counts(broken, end):
    assert said(operating(at_point(broken=broken))) == (
        "Target: recall of at least 99 %. The model missed 1 of 50 test images of “ant”, with 5 false alarms "
        f"among 100 others. {end}"
    )


def test_a_target_that_no_threshold_meets_is_said():
    assert "“ant” is never predicted" in said(operating(at_point(broken=None, threshold=None)))


def test_of_several_classes_those_are_named_that_miss_the_target():
    (ant,) = at_point(broken=True).per_class
    many = replace(at_point(broken=True), per_class=(ant, replace(ant, name="bee", is_broken=False)))

    assert said(operating(many)).endswith("The test images miss it for “ant”.")
