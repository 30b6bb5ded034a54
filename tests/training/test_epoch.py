from dataclasses import dataclass

import numpy as np
import pytest
from tests.training.examples import drawn_data, small_recipe

from vidi.training.engine.engine import ON_PROCESSOR
from vidi.training.loop.epoch import epoch_batches, fit_plan, note_gain, plan_early, steps_in_epoch
from vidi.training.loop.objective import InputNormalisation
from vidi.training.loop.schedule import Plan
from vidi.training.loop.state import State, TrainingContext, new_state


@dataclass(frozen=True)
class TimeLeft:
    """A deadline that does not move."""

    seconds: float

    def seconds_left(self) -> float:
        return self.seconds


def state_at(step: int, *, steps: int = 80) -> State:
    state = new_state(small_recipe(), class_count=3, plan=Plan(steps))
    state.counters.step = step
    return state


def test_an_epoch_shows_every_image_at_most_once_and_leaves_less_than_a_batch():
    rows = drawn_data().train_rows

    epoch, batches = epoch_batches(rows, small_recipe(batch=10), state=state_at(0))

    shown = np.concatenate(batches)
    assert len(shown) == len(set(shown.tolist())) == 30
    assert set(shown.tolist()) <= set(rows.tolist())
    assert (epoch, len(batches)) == (0, 3)


def test_the_rest_of_an_epoch_is_what_was_not_yet_done():
    rows, recipe = drawn_data().train_rows, small_recipe(batch=10)
    epoch, whole = epoch_batches(rows, recipe, state=state_at(3))

    later, rest = epoch_batches(rows, recipe, state=state_at(4))

    assert (epoch, later, len(rest)) == (1, 1, 2)
    np.testing.assert_array_equal(rest[0], whole[1])


def test_fewer_images_than_a_batch_are_one_batch():
    assert steps_in_epoch(5, 32) == 1


def around_with(seconds_left: float) -> TrainingContext:
    """80 steps at most, 4 in an epoch."""
    return TrainingContext(
        data=drawn_data(),
        recipe=small_recipe(epochs=20, batch=9),
        normalisation=InputNormalisation((0,) * 3, (1,) * 3),
        engine=ON_PROCESSOR,
        class_weights=None,
        deadline=TimeLeft(seconds_left),
        should_stop=lambda: False,
        after_step=lambda _: False,
    )


@pytest.mark.parametrize(
    ("seconds_left", "steps"),
    [
        (10.0, 28),  # a step takes half a second: 20 more fit
        (36.0, 80),  # the plan fits exactly
        (37.0, 80),  # within the clock's own noise
        (1000.0, 80),  # never more than the recipe's epochs
        (0.0, 8),  # time is up
    ],
)
def test_the_plan_is_fitted_to_the_time_that_is_left(seconds_left, steps):
    state = state_at(8)

    fit_plan(state, around_with(seconds_left), step_seconds=0.5)

    assert state.plan.steps == steps


def test_a_plan_that_was_too_careful_grows_again():
    state = state_at(8, steps=20)

    fit_plan(state, around_with(1000.0), step_seconds=0.5)

    assert state.plan.steps == 80


def test_a_first_plan_that_was_far_off_is_noticed_within_the_first_steps():
    plans = []
    for step in (1, 2, 3, 4):
        state = state_at(step, steps=5)
        state.counters.arithmetic_seconds = 0.1 * step
        plan_early(state, around_with(1000.0))
        plans.append(state.plan.steps)

    assert plans == [5, 80, 5, 80]


def test_the_best_is_the_most_right_then_the_surest():
    state = state_at(0)
    for epoch, (loss, accuracy) in enumerate([(0.9, 0.5), (0.8, 0.5), (2.0, 0.6), (0.1, 0.5)], start=1):
        note_gain(state, epoch, loss=loss, accuracy=accuracy)

    assert state.counters.best_epoch == 3
    assert state.counters.epochs_without_gain == 1


def test_by_loss_the_surest_is_the_best():
    state = state_at(0)
    for epoch, (loss, accuracy) in enumerate([(0.9, 0.5), (0.8, 0.5), (2.0, 0.6), (0.1, 0.2)], start=1):
        note_gain(state, epoch, loss=loss, accuracy=accuracy, by_loss=True)

    assert state.counters.best_epoch == 4


def test_a_later_epoch_within_doubt_is_kept_but_resets_no_patience():
    state = state_at(0)
    for epoch, (loss, accuracy) in enumerate([(0.9, 0.60), (0.8, 0.57), (0.7, 0.54), (0.6, 0.56)], start=1):
        note_gain(state, epoch, loss=loss, accuracy=accuracy, doubt=0.05)

    assert state.counters.best_epoch == 4
    assert (state.counters.best_accuracy, state.counters.epochs_without_gain) == (0.60, 3)


def test_an_epoch_without_a_finite_loss_is_never_the_best():
    state = state_at(0)

    note_gain(state, 1, loss=float("nan"), accuracy=0.9)

    assert (state.counters.best_epoch, state.best) == (0, {})
