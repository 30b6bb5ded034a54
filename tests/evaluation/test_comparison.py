"""Two models on the same images: a winner where there is one, and seldom one where there is none."""

import numpy as np
import pytest

from tests.cases import few_fast
from tests.counts import count
from vidi.evaluation.comparison import CHANCE_OF_CLASSES, CHANCE_OVERALL, PairedAnswers, compare_answers, judge
from vidi.metrics.paired import PairedComparison, compare_paired, sign_test

NAMES = ("cat", "dog", "owl")


def answers(first, second, labels, groups=None, **probabilities) -> PairedAnswers:
    first, second, labels = np.array(first, bool), np.array(second, bool), np.array(labels)
    return PairedAnswers(
        classes=NAMES,
        shown=np.eye(len(NAMES), dtype=bool)[labels],
        first_is_right=first,
        second_is_right=second,
        groups=np.arange(len(labels)) if groups is None else np.array(groups),
        of_truth=(
            probabilities.get("first_of_truth", np.where(first, 0.8, 0.2)),
            probabilities.get("second_of_truth", np.where(second, 0.8, 0.2)),
        ),
    )


def equals(random: np.random.Generator, *, grouped: bool) -> PairedAnswers:
    """Two models that are equally good at every image, though not right about the same ones.

    Grouped, the images of one group are as easy as each other for a model, and hard ones for one may not be so for
    the other.
    """
    count = int(random.integers(40, 400))
    labels = random.integers(0, 3, count)
    groups = random.integers(0, max(8, count // 6), count) if grouped else np.arange(count)
    ease = random.beta(4, 1.5, (2, count))[:, groups]
    right = random.random((2, count)) < ease
    return answers(right[0], right[1], labels, groups)


def names_a_winner(given: PairedAnswers) -> bool:
    """As `judge` decides, by the tests alone: whatever the intervals add can only take a verdict away."""
    parts = [np.ones(len(given.shown), bool), *(column for column in given.shown.T if column.any())]
    gain = given.second_is_right.astype(int) - given.first_is_right
    counts = []
    for rows in parts:
        net = np.bincount(given.groups[rows], weights=gain[rows])
        counts.append(((net < 0).sum(), (net > 0).sum()))
    return any(one.verdict != "not shown" for one in judge([counted(int(lost), int(won)) for lost, won in counts]))


def counted(lost: int, won: int) -> PairedComparison:
    """A comparison of which the test alone matters."""
    found = compare_paired(np.repeat([True, False], [lost, won]), np.repeat([False, True], [lost, won]))
    return found if found is not None else counted_nothing()


def counted_nothing() -> PairedComparison:
    found = compare_paired(np.array([True]), np.array([True]))
    assert found is not None
    return found


@pytest.mark.parametrize("grouped", few_fast([True, False]))
def test_of_a_thousand_comparisons_of_equals_at_most_five_in_a_hundred_name_a_winner_anywhere(grouped: bool):
    random, comparisons = np.random.default_rng(11), count(small=1_000, check=200)

    named = sum(names_a_winner(equals(random, grouped=grouped)) for _ in range(comparisons))

    assert named <= comparisons // 20


def test_images_that_are_taken_for_independent_would_name_winners_too_often():
    """What the groups are for: the same images without them."""
    random = np.random.default_rng(11)
    named = 0
    for _ in range(300):
        given = equals(random, grouped=True)
        alone = answers(given.first_is_right, given.second_is_right, given.shown.argmax(axis=1))
        named += names_a_winner(alone)

    assert named > 300 * 0.08


def test_the_share_of_mistaken_verdicts_is_at_most_five_in_a_hundred_whatever_the_counts():
    """Exactly, for two classes: every way in which the images that only one has right can fall."""
    from math import comb

    for dogs, owls in ((6, 9), (12, 12), (3, 20)):
        mistaken = sum(
            comb(dogs, one) * comb(owls, two) / 2 ** (dogs + owls)
            for one in range(dogs + 1)
            for two in range(owls + 1)
            if any(
                judged.verdict != "not shown"
                for judged in judge(
                    [counted(dogs + owls - one - two, one + two), counted(dogs - one, one), counted(owls - two, two)]
                )
            )
        )
        assert mistaken <= CHANCE_OVERALL + CHANCE_OF_CLASSES


def test_a_better_model_is_called_better_and_its_classes_with_it():
    labels = np.repeat([0, 1, 2], 60)
    first = np.tile([True, False, True], 60)
    second = np.where(labels == 1, True, first)

    found = compare_answers(answers(first, second, labels))

    assert found.overall.verdict == "better"
    assert {name: one.verdict for name, one in found.per_class.items()} == {
        "cat": "not shown",
        "dog": "better",
        "owl": "not shown",
    }
    assert found.overall.more_images is None


def test_a_class_that_is_lost_is_named_even_where_the_sum_is_even():
    labels = np.repeat([0, 1], 50)
    first = labels == 0
    second = labels == 1

    found = compare_answers(answers(first, second, labels))

    assert found.overall.verdict == "not shown"
    assert [one.verdict for one in found.per_class.values()] == ["worse", "better"]


def test_too_few_images_name_no_winner_but_a_number_of_images():
    labels = np.zeros(20, int)
    first = np.arange(20) < 14
    second = np.arange(20) < 18

    found = compare_answers(answers(first, second, labels))

    assert found.overall.verdict == "not shown"
    assert 10 <= (found.overall.more_images or 0) <= 60


def test_the_number_of_images_said_shows_the_difference_in_about_four_of_five_comparisons():
    random = np.random.default_rng(2)
    chances = [0.6, 0.08, 0.14, 0.18]  # both, only A, only B, neither
    counts = (np.array(chances) * 200).round().astype(int)
    seen = compare_answers(answers(*flags(counts), np.zeros(200, int)))
    needed = 200 + (seen.overall.more_images or 0)

    shown = [sign_test(*random.multinomial(needed, chances)[1:3].tolist()) <= CHANCE_OVERALL for _ in range(600)]

    assert seen.overall.verdict == "not shown"
    assert 0.72 <= np.mean(shown) <= 0.88


def flags(counts) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_models_that_agree_everywhere_have_nothing_that_more_images_could_show():
    right = np.arange(30) < 20

    found = compare_answers(answers(right, right, np.arange(30) % 3))

    assert (found.overall.verdict, found.overall.more_images, found.images_for_a_point) == ("not shown", None, None)


def test_balanced_accuracy_weighs_classes_alike_and_log_loss_is_the_mean():
    labels = np.array([0] * 8 + [1] * 2)
    first = np.array([True] * 8 + [False] * 2)
    second = np.array([True] * 7 + [False] + [True] * 2)
    given = answers(first, second, labels, first_of_truth=np.full(10, 0.5), second_of_truth=np.full(10, 0.25))

    found = compare_answers(given)

    assert (found.balanced_accuracy.first, found.balanced_accuracy.second) == (0.5, 0.9375)
    assert found.log_loss.second - found.log_loss.first == pytest.approx(np.log(2))
    assert found.log_loss.interval is not None
    assert found.log_loss.interval.low == pytest.approx(np.log(2))


@pytest.mark.slow  # over half a second of processor time: forty comparisons with resampling
def test_about_nineteen_of_twenty_intervals_hold_the_true_differences():
    random = np.random.default_rng(4)
    balanced, loss = [], []
    for _ in range(40):
        labels = random.integers(0, 3, 120)
        right = random.random((2, 120)) < np.array([[0.7], [0.8]])
        found = compare_answers(answers(right[0], right[1], labels))
        balanced.append(found.balanced_accuracy.interval.low <= 0.1 <= found.balanced_accuracy.interval.high)
        true_loss = -0.1 * np.log(0.8 / 0.2)
        loss.append(found.log_loss.interval.low <= true_loss <= found.log_loss.interval.high)

    assert sum(balanced) >= 34
    assert sum(loss) >= 34


def test_images_of_one_group_count_once():
    labels, groups = np.zeros(60, int), np.repeat([0, 1, 2], 20)

    found = compare_answers(answers(np.zeros(60), np.ones(60), labels, groups))

    assert found.overall.verdict == "not shown"
    assert found.overall.counts.group_count == 3
    assert found.overall.counts.interval.low < 0.5
    assert (found.overall.more_images or 0) >= 60  # three more groups, when all fall one way


def test_swapping_the_models_turns_every_sign():
    random = np.random.default_rng(8)
    given = equals(random, grouped=False)
    there = compare_answers(given)

    back = compare_answers(answers(given.second_is_right, given.first_is_right, given.shown.argmax(axis=1)))

    assert back.overall.counts.difference == -there.overall.counts.difference
    assert back.overall.counts.p_value == there.overall.counts.p_value
    assert back.balanced_accuracy.first == there.balanced_accuracy.second
