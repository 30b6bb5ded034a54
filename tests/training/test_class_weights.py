"""Classes with few images: lifted where that helps, and probabilities that keep to the natural shares."""

import numpy as np
import pytest
import torch

from vidi.metrics.truth import OneClass
from vidi.networks.build import build_network
from vidi.training.data import TrainingData, class_weights
from vidi.training.defaults import UNEVEN, weigh_classes
from vidi.training.heads.linear import choose_head
from vidi.training.heads.transfer import learn_head
from vidi.training.loop.objective import forget_weights
from vidi.training.recipe import Recipe

SIZES = (400, 90, 20)
SHARES = np.array(SIZES) / sum(SIZES)


def uneven_clouds(*, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds of 400, 90 and 20 images around corners that are the same for each seed."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), SIZES)
    centres = np.random.default_rng(0).standard_normal((3, 40)) * 0.35
    return (centres[labels] + random.standard_normal((sum(SIZES), 40))).astype(np.float32), labels


def held_out(kind: str, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities by cross-validation, and the labels."""
    values, labels = uneven_clouds(seed=seed)
    folds = np.random.default_rng(seed).permutation(len(labels)) % 5
    weights = class_weights(labels, 3, kind=kind)[labels]
    chosen = choose_head(values, labels, fold_of=folds, class_count=3, weights=weights, kinds=("multinomial",))
    return chosen.probabilities, labels


@pytest.mark.parametrize("kind", ["none", "tempered", "balanced"])
def test_weights_average_one_over_the_images(kind: str):
    labels = np.repeat(np.arange(3), SIZES)

    assert class_weights(labels, 4, kind=kind)[labels].mean() == pytest.approx(1)


def test_balanced_classes_have_the_same_say_and_tempered_ones_that_of_their_root():
    labels = np.repeat(np.arange(3), SIZES)
    counts = np.array(SIZES)

    balanced, tempered = (class_weights(labels, 3, kind=kind) * counts for kind in ("balanced", "tempered"))

    np.testing.assert_allclose(balanced / balanced[0], 1, rtol=1e-5)
    np.testing.assert_allclose(tempered / tempered[0], np.sqrt(counts / counts[0]), rtol=1e-5)


@pytest.mark.slow  # learns several heads
def test_a_tempered_head_finds_more_of_the_small_classes_and_keeps_to_the_natural_shares():
    recall, said = {}, {}
    for kind in ("none", "tempered"):
        answers = [held_out(kind, seed=seed) for seed in range(3)]
        right = [np.array([(p.argmax(1) == y)[y == label].mean() for label in (1, 2)]) for p, y in answers]
        recall[kind] = np.mean(right)
        said[kind] = np.mean([p.mean(axis=0) for p, _ in answers], axis=0)

    assert recall["tempered"] > recall["none"]
    np.testing.assert_allclose(said["tempered"], SHARES, rtol=0.25)


def test_evenly_filled_classes_are_not_weighted():
    assert weigh_classes(Recipe(), [100, 100 // UNEVEN + 1]).optimization.class_weights == "none"


def test_unevenly_filled_ones_are_and_the_reason_is_written_down():
    recipe = weigh_classes(Recipe(), [100, 0, 20])

    assert recipe.optimization.class_weights == "tempered"
    assert recipe.sources["class_weights"] == "data: the largest class has 100 images, the smallest 20"


def test_what_the_user_said_about_weights_stands():
    asked = Recipe().changed({"class_weights": "none"}, source="you")

    assert weigh_classes(asked, [100, 20]).optimization.class_weights == "none"


def test_the_head_of_a_run_follows_the_rule():
    values, labels = uneven_clouds(seed=0)
    rows = np.arange(len(labels))
    data = TrainingData(
        images=np.zeros((len(labels), 2, 2, 3), np.uint8),
        truth=OneClass(labels=labels, class_count=3),
        train_rows=rows,
        validation_rows=rows[:0],
    )

    _, recipe = learn_head(values, rows, data, Recipe(), fold_of=rows % 5)

    assert recipe.optimization.class_weights == "tempered"


def test_images_that_are_neither_learned_nor_chosen_by_are_answered_but_do_not_count():
    values, labels = uneven_clouds(seed=0)
    wrong = labels.copy()
    wrong[:40] = 2  # these are left out
    rows = np.arange(len(labels))
    images = np.zeros((len(labels), 2, 2, 3), np.uint8)
    told, untold = (
        TrainingData(
            images=images, truth=OneClass(labels=given, class_count=3), train_rows=rows[40:], validation_rows=rows[:0]
        )
        for given in (wrong, labels)
    )

    first, _ = learn_head(values, rows, told, Recipe(head="ridge", head_strength=1.0), fold_of=rows % 5)
    second, _ = learn_head(values, rows, untold, Recipe(head="ridge", head_strength=1.0), fold_of=rows % 5)

    assert len(first.held_out) == len(rows)
    ratio = first.head.weight / second.head.weight  # the sharpness alone is fitted on all answers
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)


def test_weights_are_taken_out_of_a_networks_answers():
    network = build_network("compact", image_size=(16, 16), class_count=3)
    weights = class_weights(np.repeat(np.arange(3), SIZES), 3)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.from_numpy(np.log(SHARES * weights)))  # what it learns under these weights

    forget_weights(network, weights)

    np.testing.assert_allclose(network.head.bias.softmax(dim=0).detach().numpy(), SHARES, rtol=1e-5)


def test_a_class_without_images_is_left_alone():
    network = build_network("compact", image_size=(16, 16), class_count=2)
    before = network.head.bias.detach().clone()

    forget_weights(network, class_weights(np.array([0, 0]), 2))

    assert torch.equal(network.head.bias, before)
