"""Groups of images, assigned whole."""

import numpy as np

from vidi.groups import draw_images, draw_share, hold_out_share, number_groups, split_folds, split_three_parts


def test_groups_stay_in_one_fold_and_every_fold_gets_of_every_class():
    labels = np.repeat([0, 1, 2], 40)
    groups = np.arange(120) // 2

    folds = split_folds(groups, labels=labels, seed=3)

    assert all(len(set(folds[groups == group])) == 1 for group in range(60))
    assert {(fold, label) for fold, label in zip(folds, labels, strict=True)} == {
        (fold, label) for fold in range(5) for label in range(3)
    }


def test_of_each_class_a_share_is_held_out_and_groups_stay_whole():
    labels = np.array([0] * 50 + [1] * 20 + [2] * 3)
    groups = [str(index // 3) for index in range(73)]

    chosen = hold_out_share(labels, groups, share=0.2, seed=0)

    counts = np.bincount(labels[chosen], minlength=3)
    assert 6 <= counts[0] <= 10
    assert 1 <= counts[1] <= 4
    assert counts[2] == 0
    assert not {groups[row] for row in np.flatnonzero(chosen)} & {groups[row] for row in np.flatnonzero(~chosen)}


def test_a_group_is_never_in_two_of_three_parts_and_a_class_of_one_group_is_learned_from():
    groups = np.arange(300) % 100
    labels = groups % 2
    labels[groups < 1] = 2  # a class of one group

    parts = split_three_parts(labels, groups, share=0.1, least=20, seed=0)

    members = [set(groups[rows].tolist()) for rows in parts]
    assert sum(len(rows) for rows in parts) == 300
    assert min(map(len, parts)) >= 20
    assert not members[0] & members[1]
    assert not members[0] & members[2]
    assert not members[1] & members[2]
    assert set(labels[parts[0]].tolist()) == {0, 1, 2}


def test_folds_stay_what_they_were_in_released_versions():
    labels = np.arange(12) % 3
    groups = [f"group {number}" for number in np.arange(12) // 2]

    by_class = split_folds(groups, labels=labels, folds=3, seed=4)

    assert by_class.tolist() == [0, 0, 1, 1, 2, 2, 1, 1, 2, 2, 0, 0]
    assert split_folds(np.arange(12), seed=0).tolist() == [4, 2, 2, 4, 0, 1, 0, 3, 1, 0, 3, 1]


def test_the_order_of_the_images_does_not_matter_to_what_is_held_out():
    labels, groups = np.repeat([0, 1], 50), [str(number) for number in np.arange(100) // 4]
    order = np.random.default_rng(1).permutation(100)

    there = hold_out_share(labels, groups, share=0.2, seed=7)
    again = hold_out_share(labels[order], [groups[row] for row in order], share=0.2, seed=7)

    assert {groups[row] for row in np.flatnonzero(there)} == {groups[order[row]] for row in np.flatnonzero(again)}


def test_groups_are_drawn_whole_and_a_smaller_share_lies_in_a_larger_one():
    labels = np.repeat([0, 1], 60)
    groups = np.arange(120) // 3

    small, large = (draw_share(labels, groups, share=s, random=np.random.default_rng(5)) for s in (0.25, 0.5))

    assert (small.sum(), large.sum()) == (30, 60)
    assert not (small & ~large).any()
    assert all(len(set(small[groups == group].tolist())) == 1 for group in range(40))


def test_so_many_images_are_drawn_in_whole_groups_and_never_none():
    groups = number_groups(np.repeat([f"{number:03}" for number in range(50)], 4))

    drawn = draw_images(groups, images=30, seed=2)

    assert drawn.sum() == 28
    assert all(len(set(drawn[groups == group].tolist())) == 1 for group in range(50))
    assert draw_images(groups, images=1, seed=2).sum() == 4
