"""Likely label errors from answers of models that have not seen the images."""

import sys

import numpy as np
import pytest

from vidi.errors import MissingPackageError, ShapeError
from vidi.metrics.label_errors import find_label_errors, find_wrong_targets, suggest_labels


def answers(labels: np.ndarray, *, classes: int, sureness: float) -> np.ndarray:
    """Probabilities of a model that gives the true class that much, and the others the rest in equal shares."""
    probabilities = np.full((len(labels), classes), (1 - sureness) / (classes - 1))
    probabilities[np.arange(len(labels)), labels] = sureness
    return probabilities


def test_the_labels_that_a_sure_model_contradicts_are_listed():
    truth = np.arange(60) % 3
    labels = truth.copy()
    labels[[7, 20]] = (truth[[7, 20]] + 1) % 3

    assert sorted(find_label_errors(answers(truth, classes=3, sureness=0.98), labels).tolist()) == [7, 20]


def test_of_several_classes_those_that_are_missing_or_too_much_are_marked():
    targets = np.random.default_rng(1).random((120, 3)) < 0.4
    given = targets.copy()
    given[7, 0], given[20, 2] = ~targets[7, 0], ~targets[20, 2]
    probabilities = np.where(targets, 0.985, 0.015)
    probabilities[[7, 20]] = np.where(targets[[7, 20]], 0.995, 0.005)

    wrong = find_wrong_targets(probabilities, given)

    assert np.argwhere(wrong).tolist() == [[7, 0], [20, 2]]


def test_honest_doubt_about_several_classes_is_seldom_taken_for_wrong_labels():
    random = np.random.default_rng(0)
    probabilities = 1 / (1 + np.exp(-4 * random.normal(size=(2_000, 3)) + 2))
    targets = random.random((2_000, 3)) < probabilities
    flipped = random.random((2_000, 3)) < 0.02
    noisy = probabilities * 0.98 + (1 - probabilities) * 0.02  # what a model learns of such labels

    assert find_wrong_targets(probabilities, targets).mean() < 0.003
    found = find_wrong_targets(noisy, targets ^ flipped)
    assert found[flipped].mean() > 0.5
    assert flipped[found].mean() > 0.5


def test_the_least_believable_label_comes_first():
    truth = np.arange(60) % 3
    labels = truth.copy()
    labels[[7, 20]] = (truth[[7, 20]] + 1) % 3
    probabilities = answers(truth, classes=3, sureness=0.98)
    probabilities[7] = np.roll([0.985, 0.01, 0.005], truth[7])
    probabilities[20] = np.roll([0.999, 0.0005, 0.0005], truth[20])

    assert find_label_errors(probabilities, labels).tolist() == [20, 7]


def test_labels_that_agree_with_the_model_are_not_listed():
    labels = np.arange(60) % 3

    assert find_label_errors(answers(labels, classes=3, sureness=0.9), labels).tolist() == []


def test_honest_doubt_between_two_classes_is_not_taken_for_wrong_labels():
    random = np.random.default_rng(0)
    first = random.uniform(0.1, 0.9, 4000)  # of class 0; these labels are drawn exactly as the model says
    labels = (random.random(4000) > first).astype(np.int64)
    probabilities = np.stack([first, 1 - first], axis=1)

    assert len(find_label_errors(probabilities, labels)) < 0.02 * 4000


@pytest.mark.parametrize("classes", [2, 5, 30])
def test_most_planted_flips_are_found_among_a_doubtful_model_s_answers(classes: int):
    random = np.random.default_rng(classes)
    truth = random.integers(0, classes, 3000)
    concentration = np.full((3000, classes), 0.03)
    concentration[np.arange(3000), truth] = 3.0
    probabilities = np.stack([random.dirichlet(row) for row in concentration])
    labels, planted = truth.copy(), random.permutation(3000)[:150]
    labels[planted] = (truth[planted] + random.integers(1, classes, 150)) % classes

    listed = set(find_label_errors(probabilities, labels).tolist())

    found = len(listed & set(planted.tolist()))
    assert found / len(listed) >= 0.6
    assert found / 150 >= 0.6


def test_one_class_alone_has_no_label_errors():
    assert len(find_label_errors(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]))) == 0


def test_a_class_without_images_is_no_hindrance():
    labels = np.repeat([0, 2], 30)

    assert find_label_errors(answers(labels, classes=3, sureness=0.95), labels).tolist() == []


def test_the_suggestion_is_the_best_class_beside_the_given_one():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.1, 0.7]])

    assert suggest_labels(probabilities, np.array([0, 1])).tolist() == [1, 2]


def test_arrays_of_other_images_are_refused():
    with pytest.raises(ShapeError):
        find_label_errors(np.ones((3, 2)) / 2, np.array([0, 1]))


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)

    with pytest.raises(MissingPackageError, match=r"vidi\[labels\]"):
        find_label_errors(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
