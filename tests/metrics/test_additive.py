import numpy as np

from vidi.groups import split_folds
from vidi.metrics.additive import cross_fitted_scores, standard_columns, step_columns


def scores_of(values, labels, groups=None):
    columns, _ = step_columns(values)
    folds = split_folds(np.arange(len(labels)) if groups is None else groups, labels=labels, seed=0)
    everything = [np.ones(columns.shape[1], bool)]
    return cross_fitted_scores(columns, labels, folds, everything, penalties=np.full(columns.shape[1], 2.0))[0]


def test_steps_hold_equally_many_and_equal_numbers_share_one():
    columns, owners = step_columns(np.stack([np.arange(80.0), np.repeat([3.0, 5.0], 40)], axis=1))

    assert set(columns.sum(axis=0)[:8].tolist()) <= {9.0, 10.0, 11.0}
    assert columns.sum(axis=0)[8:].tolist() == [40.0, 40.0]
    assert owners.tolist() == [0] * 8 + [1, 1]
    assert (columns.sum(axis=1) == 2).all()


def test_one_pass_gives_what_a_fit_without_each_fold_gives():
    random = np.random.default_rng(5)
    labels = random.integers(0, 3, 90)
    columns = standard_columns(random.normal(size=(90, 4)) + labels[:, None])
    folds = split_folds(np.arange(90), labels=labels, seed=random)
    weights = 90 / (3 * np.bincount(labels))[labels]

    scores, limits = cross_fitted_scores(columns, labels, folds, [np.ones(4, bool)], penalties=np.full(4, 7.0))[0]

    for fold in range(5):
        seen = folds != fold
        design = np.column_stack([columns, np.ones(90)])
        targets = np.eye(3)[labels]
        square = (design[seen] * weights[seen, None]).T @ design[seen] + np.diag([7.0] * 4 + [1e-6])
        fit = np.linalg.solve(square, (design[seen] * weights[seen, None]).T @ targets[seen])
        np.testing.assert_allclose(scores[~seen], design[~seen] @ fit, atol=1e-4)
        means = np.stack([(design[seen & (labels == k)] @ fit).mean(axis=0) for k in range(3)])
        halfway = [(means[k, k] + means[np.arange(3) != k, k].mean()) / 2 for k in range(3)]
        np.testing.assert_allclose(limits[~seen], np.tile(halfway, ((~seen).sum(), 1)), atol=1e-4)


def test_numbers_that_tell_nothing_are_right_by_chance_only():
    random = np.random.default_rng(1)
    labels = np.arange(600) % 3

    scores, _ = scores_of(random.normal(size=(600, 5)), labels)

    assert abs((scores.argmax(axis=1) == labels).mean() - 1 / 3) < 0.07


def test_a_number_that_is_special_of_one_class_in_the_middle_of_its_range_is_found():
    random = np.random.default_rng(2)
    labels = np.arange(400) % 2
    values = np.where(labels == 0, random.uniform(-0.2, 0.2, 400), random.choice([-1.0, 1.0], 400))

    scores, limits = scores_of(values[:, None], labels)

    assert (scores.argmax(axis=1) == labels).mean() > 0.97
    assert ((scores[:, 0] > limits[:, 0]) == (labels == 0)).mean() > 0.97


def test_members_of_one_group_do_not_vouch_for_one_another():
    random = np.random.default_rng(4)
    group_labels = np.arange(20) % 2
    groups = np.repeat(np.arange(20), 10)
    values = random.normal(size=20)[groups] + random.normal(scale=0.001, size=200)  # each group has its own value

    alone, _ = scores_of(values[:, None], group_labels[groups])
    together, _ = scores_of(values[:, None], group_labels[groups], groups)

    assert (alone.argmax(axis=1) == group_labels[groups]).mean() > 0.7
    assert (together.argmax(axis=1) == group_labels[groups]).mean() < 0.65
