"""Test parts from the source of what was learned, of which nothing is said, and from elsewhere."""

import numpy as np
import pytest

from tests.counts import count
from vidi.evaluation.answers import Answers
from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers
from vidi.evaluation.guarantees.operating import OperatingTarget
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.evaluation.guarantees.refuted import as_refuted, hold_to_guarantees
from vidi.evaluation.two_parts import PartFeatures, Side, compare_parts
from vidi.groups import number_groups
from vidi.metrics.truth import OneClass

CLASSES = ("ant", "bee", "cow")


def draw_source(random, images, *, each):
    """Images in groups of one size: groups, classes, features and probabilities; a group shares all of it a little."""
    groups = np.arange(images) // each
    labels = random.integers(0, 3, images)[groups * each]
    places = random.normal(size=(images, 12)) + 0.7 * random.normal(size=(images, 12))[groups]
    places[:, :3] += 2.5 * np.eye(3)[labels]
    powers = np.exp(1.5 * places[:, :3])
    return groups, labels, places, powers / powers.sum(axis=1, keepdims=True)


def compared(seed, *, held=300, tested=150, each=1, harder=0.0, shift=0.0):
    """A drawn data set split by lot, calibrated on its held-out part and tested on the other."""
    random = np.random.default_rng(seed)
    groups, labels, places, probabilities = draw_source(random, held + tested, each=each)
    is_test = (random.permutation(groups[-1] + 1) < tested // each)[groups]
    labels = np.where(is_test & (random.random(len(labels)) < harder), (labels + 1) % 3, labels)
    places = places + shift * is_test[:, None]
    names = np.array([f"g{group}" for group in groups])
    unseen = UnseenAnswers(
        probabilities=probabilities[~is_test],
        truth=OneClass(labels=labels[~is_test], class_count=3),
        groups=number_groups(groups[~is_test]),
        novelty=None,
    )
    done = calibrate_answers(
        unseen, CLASSES, promise=GuaranteeTargets(), target=OperatingTarget(measure="recall", share=0.8)
    )
    powers = np.exp(done.step.apply(np.log(probabilities[is_test])))
    shipped = powers / powers.sum(axis=1, keepdims=True)
    answers = Answers.of(
        CLASSES,
        [str(row) for row in np.flatnonzero(is_test)],
        truths=[CLASSES[label] for label in labels[is_test]],
        probabilities=shipped,
        groups=names[is_test].tolist() if each > 1 else None,
    )

    def side(rows, said):
        right = said.argmax(axis=1) == labels[rows]
        return Side(is_correct=right, strata=labels[rows], groups=tuple(names[rows].tolist()))

    return compare_parts(
        side(~is_test, probabilities[~is_test]),
        side(is_test, shipped),
        CLASSES,
        looks=PartFeatures(
            features=places,
            is_test=is_test,
            strata=labels,
            groups=tuple(names.tolist()),
            paths=tuple(f"{row}.png" for row in range(len(labels))),
        ),
        held=hold_to_guarantees(answers, done.limits, done.points),
        seed=seed,
    )


@pytest.mark.fault
@pytest.mark.parametrize("each", [1, 5])
def test_of_splits_of_one_source_at_most_one_in_a_hundred_is_said_to_differ_or_to_refute_anything(each):
    splits = count(small=5, faults=300, soak=3_000)

    said = sum(
        found.figures.differs or bool(found.refuted) for found in (compared(seed, each=each) for seed in range(splits))
    )

    assert said <= splits / 100 + 3 * (splits / 100) ** 0.5


def test_a_harder_test_part_is_said_to_be_lower_and_refutes_the_guarantees():
    found = compared(0, harder=0.4)

    assert found.figures.differs
    assert found.figures.accuracy.is_lower
    assert found.figures.accuracy.test.value < found.figures.accuracy.held_out.value - 0.2
    assert any(one.is_lower for one in found.figures.classes)
    assert not found.figures.features.is_apart
    refuted = as_refuted(found.refuted)
    assert refuted.sure
    assert refuted.candidates


def test_a_test_part_that_looks_different_is_told_apart_with_its_loudest_images():
    found = compared(0, shift=1.0)

    assert found.figures.differs
    assert found.figures.features.is_apart
    assert not found.figures.accuracy.is_lower
    assert found.refuted == ()
    assert len(found.figures.loudest) == 12
    figures = found.figures
    assert figures.features.area > 0.9 > figures.features.by_chance


def test_nothing_is_compared_without_held_out_images():
    nothing = Side(is_correct=np.zeros(0, bool), strata=np.zeros(0, np.int64), groups=())

    assert compare_parts(nothing, nothing, CLASSES, looks=None, held=(), seed=0) is None
