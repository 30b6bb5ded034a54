"""Images that count as several others in the fit: of heads, of heads for several classes, and of whole networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.examples import drawn_data, small_recipe

from vidi.errors import ModelError, ShapeError
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.training.data import TrainingData
from vidi.training.heads.linear import Examples, HeadTrial, multinomial
from vidi.training.heads.one_vs_rest import fit_one_vs_rest
from vidi.training.heads.transfer import fit_again, learn_head
from vidi.training.loop.objective import summed_loss
from vidi.training.recipe import Recipe
from vidi.training.train import train_network

RIDGE = Recipe(head="ridge", head_strength=1.0)


def in_two_places(truth: Truth, *, weight: float | None) -> tuple[TrainingData, np.ndarray]:
    """Sixty old images, and twelve new ones elsewhere that count more, with their features."""
    random = np.random.default_rng(0)
    features = random.normal(size=(72, 4)).astype(np.float32)
    features[:60, 0] += np.where(np.arange(60) % 2, 2, -2)
    features[60:, 0] += np.where(np.arange(12) % 2, -2, 2)  # the other way round
    data = TrainingData(
        images=np.zeros((72, 2, 2, 3), np.uint8),
        truth=truth,
        train_rows=np.arange(72),
        validation_rows=np.zeros(0, np.int64),
        weights=None if weight is None else np.where(np.arange(72) < 60, 1.0, weight),
    )
    return data, features


ONE = OneClass(labels=np.arange(72) % 2, class_count=2)
SEVERAL = SeveralClasses.of(np.stack([np.arange(72) % 2 == 1, np.arange(72) % 3 == 0], axis=1))


def test_a_weight_of_three_is_three_copies_in_every_kind_of_regression():
    data, features = in_two_places(ONE, weight=3.0)
    copies = np.concatenate([np.arange(72), *[np.arange(60, 72)] * 2])

    (weighted,) = multinomial(Examples(features, ONE.labels, data.weights_of(np.arange(72)), 2), [1.0])
    (copied,) = multinomial(Examples(features[copies], ONE.labels[copies], np.ones(96), 2), [1.0])

    np.testing.assert_allclose(weighted.weight, copied.weight, rtol=0.01, atol=1e-3)


@pytest.mark.parametrize("truth", [ONE, SEVERAL], ids=["one class", "several classes"])
def test_a_head_leans_towards_the_images_that_count_more(truth: Truth):
    def mean_logit(weight: float | None) -> float:
        data, features = in_two_places(truth, weight=weight)
        recipe = RIDGE if truth is ONE else Recipe(head_strength=1.0)
        chosen, _ = learn_head(features, np.arange(72), data, recipe, fold_of=np.arange(72) % 5)
        logits = chosen.head.logits(features[61::2])  # new images of class 1, or that show the first class
        return float((logits[:, 1] - logits[:, 0] if truth is ONE else logits[:, 0]).mean())

    assert mean_logit(1.0) == pytest.approx(mean_logit(None))
    assert mean_logit(9.0) > mean_logit(1.0)


@pytest.mark.parametrize("truth", [ONE, SEVERAL], ids=["one class", "several classes"])
def test_a_head_that_is_fitted_again_weighs_the_same_images(truth: Truth):
    best = HeadTrial(kind="multinomial", strength=1.0, sharpness=1.0, log_loss=0.0, accuracy=0.0)
    rows = np.arange(30, 72)
    data, features = in_two_places(truth, weight=9.0)

    head = fit_again(features[rows], rows, data, best)

    alike = fit_again(features[rows], rows, replace(data, weights=None), best)
    assert not np.allclose(head.weight, alike.weight, rtol=0.05)
    if truth is SEVERAL:
        (told,) = fit_one_vs_rest(features[rows], truth.shown[rows], data.weights_of(rows), (1.0,))
        np.testing.assert_allclose(head.weight, told.weight)


@pytest.mark.parametrize("loss", ["cross-entropy", "mean-squared-error", "several classes"])
def test_the_loss_of_an_image_is_multiplied_by_its_weight(loss: str):
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, generator=random)
    labels = torch.arange(5) % 3
    known = torch.nn.functional.one_hot(labels, 3).bool() if loss == "several classes" else labels
    named = "cross-entropy" if loss == "several classes" else loss
    recipe = Recipe.from_dict({"label_smoothing": 0.1, "loss": named})
    classes = None if loss == "several classes" else torch.tensor([1.0, 2.0, 0.5])
    weights = torch.tensor([1.0, 3.0, 0.0, 1.0, 2.0])

    together = summed_loss(logits, known, recipe=recipe, class_weights=classes, image_weights=weights)

    alone = [summed_loss(logits[[i]], known[[i]], recipe=recipe, class_weights=classes) for i in range(5)]
    torch.testing.assert_close(together, (torch.stack(alone) * weights).sum())


def test_there_is_one_weight_for_each_image():
    with pytest.raises(ShapeError, match="48 images have 3 weights"):
        replace(drawn_data(), weights=np.ones(3))


@pytest.mark.integration  # trains three times, for seconds
def test_a_network_believes_the_labels_that_count_more_and_other_weights_are_other_data(tmp_path: Path):
    data, random = drawn_data(), np.random.default_rng(0)
    # Each train image once more under another label: which of the two is believed, the weights decide.
    count, train = len(data.images), data.train_rows
    wrong = (data.strata[train] + 1 + random.integers(2, size=len(train))) % 3
    doubled = TrainingData(
        images=np.concatenate([data.images, data.images[train]]),
        truth=OneClass(labels=np.concatenate([data.strata, wrong]), class_count=3),
        train_rows=np.concatenate([train, np.arange(count, count + len(train))]),
        validation_rows=data.validation_rows,
        classes=data.classes,
        weights=np.where(np.arange(count + len(train)) < count, 20.0, 1.0),
    )

    right = train_network(doubled, small_recipe(epochs=12), folder=tmp_path / "right").history[-1]
    misled = replace(doubled, weights=21 - doubled.weights)

    assert right.validation_accuracy > 0.6
    assert (
        train_network(misled, small_recipe(epochs=12), folder=tmp_path / "misled").history[-1].validation_accuracy < 0.5
    )
    with pytest.raises(ModelError, match="the data set has changed"):
        train_network(misled, small_recipe(epochs=12), folder=tmp_path / "right", resume=True)
