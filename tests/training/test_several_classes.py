"""Images that may show several classes: losses by hand, answers that stand for themselves, members averaged."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.examples import drawn_data, small_recipe

from vidi.errors import UsageError
from vidi.metrics.outputs import Sigmoid
from vidi.metrics.truth import SeveralClasses
from vidi.networks.build import build_network
from vidi.networks.side_by_side import Ensemble
from vidi.training.combination import average_all, choose_combination
from vidi.training.data import TrainingData
from vidi.training.heads.linear import HeadTrial
from vidi.training.heads.one_vs_rest import KIND, fit_one_vs_rest
from vidi.training.heads.transfer import fit_again
from vidi.training.loop.objective import FIXED, InputNormalisation, answer, count_right, summed_loss
from vidi.training.recipe import Recipe
from vidi.training.train import train_network
from vidi.training.trained import TrainedNetwork
from vidi.training.tuning.trial import search_value

RESCALED = InputNormalisation(*FIXED["rescale"])


def of_several(*, each: int = 16) -> TrainingData:
    """Drawn images of one kind each, told as questions: which kind, and is it one of the first two."""
    data = drawn_data(each=each)
    shown = data.truth.shown
    targets = np.concatenate([shown, shown[:, :2].any(axis=1, keepdims=True)], axis=1)
    return replace(data, truth=SeveralClasses.of(targets), classes=(*data.classes, "first two"))


def untrained(seed: int) -> TrainedNetwork:
    network = build_network(
        "compact", image_size=(16, 16), class_count=4, options=small_recipe().options, seed=seed
    ).eval()
    return TrainedNetwork(
        network=network,
        recipe=small_recipe(),
        normalisation=RESCALED,
        history=(),
        best_epoch=0,
        finished=True,
        stopped_by="plan",
        notes=(),
    )


def test_the_loss_is_each_classs_cross_entropy_added_up():
    logits, shown = torch.tensor([[0.0, math.log(3)]]), torch.tensor([[True, False]])

    loss = summed_loss(logits, shown, recipe=Recipe.from_dict({"label_smoothing": 0.0}), class_weights=None)
    smoothed = summed_loss(logits, shown, recipe=Recipe.from_dict({"label_smoothing": 0.2}), class_weights=None)

    assert float(loss) == pytest.approx(math.log(2) + math.log(4))  # probabilities 1/2 and 3/4
    assert float(smoothed) == pytest.approx(math.log(2) - 0.9 * math.log(1 / 4) - 0.1 * math.log(3 / 4))


def test_an_answer_is_right_where_it_is_right_about_every_class():
    logits = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    shown = torch.tensor([[True, False], [True, False]])

    assert count_right(logits, shown) == 1


def test_answers_stand_for_themselves_in_any_order_and_batch():
    data, network = of_several(), untrained(0).network
    rows = np.arange(48)

    answers = answer(network, data.images, rows, normalisation=RESCALED, outputs=Sigmoid())
    mixed = answer(network, data.images, rows[::-1], normalisation=RESCALED, outputs=Sigmoid())
    alone = answer(network, data.images, rows[5:6], normalisation=RESCALED, outputs=Sigmoid())

    with torch.inference_mode():
        np.testing.assert_allclose(answers, network(RESCALED.inputs(data.images)).sigmoid().numpy(), atol=1e-6)
    np.testing.assert_allclose(mixed[::-1], answers, atol=1e-6)
    np.testing.assert_allclose(alone[0], answers[5], atol=1e-6)


def test_a_network_learns_several_classes_from_scratch_and_the_surest_epoch_is_kept(tmp_path: Path):
    data = of_several()

    trained = train_network(data, small_recipe(epochs=8, label_smoothing=0.0), folder=tmp_path)

    losses = [row.validation_loss for row in trained.history]
    assert trained.best_epoch == int(np.argmin(losses)) + 1
    answers = answer(
        trained.network, data.images, data.validation_rows, normalisation=trained.normalisation, outputs=Sigmoid()
    )
    assert ((answers >= 0.5) == data.truth.shown[data.validation_rows]).mean() > 0.8


def test_what_is_made_for_one_class_each_is_refused_before_training(tmp_path: Path):
    with pytest.raises(UsageError, match="class_weights is balanced, which is for images of one class each"):
        train_network(of_several(), small_recipe(class_weights="balanced"), folder=tmp_path)


def test_a_head_is_fitted_again_as_it_was_chosen():
    values = np.random.default_rng(0).standard_normal((48, 6)).astype(np.float32)
    data, best = of_several(), HeadTrial(kind=KIND, strength=30.0, sharpness=1.0, log_loss=0.0, accuracy=0.0)

    head = fit_again(values, np.arange(48), data, best)

    (same,) = fit_one_vs_rest(values, data.truth.shown, np.ones(48), [30.0])
    np.testing.assert_array_equal(head.weight, same.weight)


def test_trainings_are_combined_by_their_losses_on_validation_images():
    data, members = of_several(), [untrained(seed).single for seed in range(2)]

    choice, all_of_them = (
        choose_combination(members, data, normalisation=RESCALED, groups=None),
        average_all(members, why="interrupted", outputs=Sigmoid()),
    )

    averaged = next(trial for trial in choice.trials if trial.name == "averaged logits")
    right = answer(all_of_them.network, data.images, data.validation_rows, normalisation=RESCALED, outputs=Sigmoid())
    assert averaged.accuracy == ((right >= 0.5) == data.truth.shown[data.validation_rows]).all(axis=1).mean()
    assert choice.best == int(np.argmin([trial.log_loss for trial in choice.trials[:2]]))
    assert isinstance(all_of_them.network, Ensemble)
    assert choice.gain.image_count == len(data.validation_rows)


def test_a_search_prefers_the_lower_loss():
    assert search_value(0.2, 0.4, 10, by_loss=True) > search_value(0.9, 0.5, 10, by_loss=True)
