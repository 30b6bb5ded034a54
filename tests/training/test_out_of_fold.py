"""Answers about all images by heads that have not seen them."""

import numpy as np
import pytest

from vidi.training.heads.linear import Examples, multinomial
from vidi.training.heads.subsamples import answer_out_of_fold


def test_each_answer_is_that_of_a_head_fitted_on_the_other_folds():
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    values = random.standard_normal((3, 6))[labels] + random.standard_normal((90, 6))
    fold_of = np.arange(90) // 3 % 5

    probabilities = answer_out_of_fold(values, labels, fold_of=fold_of, class_count=3, strength=3.0)

    assert probabilities.sum(axis=1) == pytest.approx(np.ones(90), abs=1e-5)
    for fold in range(5):
        (head,) = multinomial(Examples(values[fold_of != fold], labels[fold_of != fold], np.ones(72), 3), [3.0])
        expected = head.logits(values[fold_of == fold]).argmax(axis=1)
        assert probabilities[fold_of == fold].argmax(axis=1).tolist() == expected.tolist()


def test_labels_without_meaning_give_no_confidence():
    random = np.random.default_rng(0)

    probabilities = answer_out_of_fold(
        random.standard_normal((300, 40)),
        random.integers(0, 3, 300),
        fold_of=np.arange(300) % 5,
        class_count=3,
        strength=1.0,
    )

    assert probabilities.max(axis=1).mean() < 0.45
