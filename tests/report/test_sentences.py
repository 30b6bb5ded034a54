"""What the page says in words, checked against the figures."""

import numpy as np
import pytest

from vidi.evaluation.evaluate import evaluate_predictions
from vidi.report.render import NO_BREAK_SPACE, percent
from vidi.report.sentences import expectation, headline, honesty, untested, weakness


def scored(labels, predicted, *, confidence=0.8, classes=("cat", "dog")):
    """The JSON of answers given with one confidence."""
    rest = (1 - confidence) / (len(classes) - 1)
    probabilities = np.eye(len(classes))[list(predicted)] * (confidence - rest) + rest
    return evaluate_predictions(probabilities, np.array(labels, dtype=np.int64), classes).as_json()


def said(sentence):
    return sentence.replace(NO_BREAK_SPACE, " ")


def test_headline_counts_images():
    assert said(headline(scored([0, 0, 1, 1], [0, 0, 1, 0]))) == (
        "Of 4 images it had never seen, the model named 3 rightly: 75 %."
    )


def test_headline_of_a_perfect_test_does_not_say_100_percent():
    assert headline(scored([0, 1], [0, 1])) == "Of 2 images it had never seen, the model named every one rightly."


@pytest.mark.parametrize("test", [None, scored([], [])])
def test_headline_without_a_test_says_so(test):
    assert headline(test) == "This model has not been tested yet: nobody knows how good it is."


def test_expectation_names_the_range_and_the_blind_guess():
    sentence = said(expectation(scored([0] * 30 + [1] * 10, [0] * 40)))

    assert sentence == (
        "On more images like these, expect it to be right between 60 % and 86 % of the time. The range is wide because "
        "so few images were tested. Always answering “cat” without looking would be right 75 % of the time."
    )


def test_weakness_names_the_class_and_what_it_is_taken_for():
    assert weakness(scored([0, 0, 1, 1, 1], [0, 0, 1, 0, 0])) == (
        "It is weakest on “dog”: of 3 such images it recognised 1. Most often, twice, it said “cat” instead."
    )


def test_perfect_answers_have_no_weakness():
    assert weakness(scored([0, 1], [0, 1])) == "No class stands out: the images of every class were recognised."


@pytest.mark.parametrize(
    ("confidence", "right", "word"), [(0.8, 160, "honest"), (0.95, 120, "too sure"), (0.55, 190, "too modest")]
)
def test_honesty_compares_what_is_stated_with_what_is_reached(confidence, right, word):
    labels = [0] * 200
    predicted = [0] * right + [1] * (200 - right)
    random = np.random.default_rng(0)

    assert honesty(scored(labels, random.permutation(predicted), confidence=confidence))[0] == word


def test_untested_classes_are_named():
    assert untested(scored([0], [0])) == (
        "No test image shows “dog”: nothing is known about how well it is recognised."
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.9999, "99.99 %"), (0.00049, "0.05 %"), (0.745, "74 %"), (0.999999, "> 99.99 %")],
)
def test_percent_never_rounds_to_certainty(value, shown):
    assert said(percent(value)) == shown


def test_few_test_images_leave_the_confidence_unjudged():
    assert honesty(scored([0, 0, 1, 1], [0, 0, 1, 0]))[0] == "unclear"
