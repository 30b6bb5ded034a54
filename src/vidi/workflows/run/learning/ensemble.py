"""The step of a run for `--ensemble K`: each member in its own folder, then one network."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidi.errors import UsageError
from vidi.files import read_json, write_atomic
from vidi.groups import number_groups
from vidi.metrics.paired import PairedComparison
from vidi.training.combination import (
    Choice,
    Combination,
    average_all,
    choose_combination,
)
from vidi.training.data import TrainingData
from vidi.training.loop.progress import Listener, write_results
from vidi.training.recipe import Recipe
from vidi.training.train import read_trained, train_network
from vidi.training.trained import TrainedNetwork
from vidi.workflows.interaction.run_folder import CHECKPOINT, RECIPE
from vidi.workflows.run.budget import Session
from vidi.workflows.run.start import Start

MOST_MEMBERS = 20
SAME_FOR_ALL = ("precision", "options.width")  # measured when the first training began
ENDED = "ended.json"  # in a member's folder, once its training has ended


def require_ensemble(count: int | None, *, only_head: bool) -> None:
    """Refuse an ensemble that makes no sense.

    Args:
        count: trainings; None for one.
        only_head: the user asked for nothing but a head on the features of a pretrained network.

    Raises:
        UsageError: too few or too many, or all would be the same.
    """
    if count is None:
        return
    if not 2 <= count <= MOST_MEMBERS:
        raise UsageError(f"--ensemble {count} is out of range", f"Use 2 to {MOST_MEMBERS} trainings.")
    if only_head:
        raise UsageError(
            "--freeze trains a head on pretrained features, which is the same with every seed of --ensemble",
            "Leave out one of the two.",
        )


def noting_no_ensemble(head: TrainedNetwork, count: int | None) -> TrainedNetwork:
    """A head on features that was kept, with a note where an ensemble was asked for and there is none."""
    note = "no ensemble: the head on pretrained features was kept, and it is the same with every seed"
    return head if count is None else replace(head, notes=(*head.notes, note))


def has_begun(folder: Path) -> bool:
    """Whether this run has a checkpoint, of its network or of an ensemble's member."""
    return (folder / CHECKPOINT).exists() or any(folder.glob(f"member-*/{CHECKPOINT}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One of the trainings."""

    number: int  # from 1
    place: Path
    recipe: Recipe
    data: TrainingData


def learn_ensemble(
    session: Session, data: TrainingData, recipe: Recipe, count: int, *, start: Start | None = None
) -> TrainedNetwork:
    """Train the missing members in `member-1`, `member-2` … of the run's folder, and combine all.

    Interrupted, it gives what the members so far are together; one that was cut off itself is left out, unless there
    is no other. Where the run is to be finished, none is trained any more.

    Raises:
        ModelError: a member's checkpoint is damaged, or of another recipe or data set.
    """
    folder, events = session.folder, session.events
    tasks = _tasks(folder, data, recipe, count, start=start)
    ended: list[TrainedNetwork] = []
    for task in tasks:
        if (task.place / ENDED).exists():
            stopped_by = read_json(task.place / ENDED)["stopped_by"]
            saved = read_trained(task.place, task.data, recipe=task.recipe)
            ended.append(replace(saved, stopped_by=stopped_by, finished=True))
            continue
        if session.should_stop() or (session.finish and (ended or has_begun(folder))):
            break
        events.say(f"training {task.number} of {count}: seed {task.recipe.seed}")
        one = _train_member(session, task, ended, count=count)
        if one.stopped_by == "user":
            break
        write_atomic(task.place / ENDED, json.dumps({"stopped_by": one.stopped_by}) + "\n")
        ended.append(one)
    if not ended:
        cut = read_trained(tasks[0].place, tasks[0].data, recipe=tasks[0].recipe)
        return replace(cut, stopped_by="user", notes=(*cut.notes, _only_one(count, "cut off")))
    if len(ended) < count:
        events.say(f"{len(ended)} of {count} trainings finished: the model holds only these")
    stopped = session.should_stop() and not session.finish
    trained = _combined(session, data, count, tasks=tasks, ended=ended, in_haste=stopped)
    write_results(folder, trained.history)
    write_atomic(folder / RECIPE, trained.recipe.as_toml())
    return replace(trained, stopped_by="user") if stopped else trained


def _tasks(folder: Path, data: TrainingData, recipe: Recipe, count: int, *, start: Start | None) -> list[_Task]:
    """The trainings, each with a seed of its own."""
    data = replace(data, colour_rows=data.train_rows)  # one preprocessing serves all
    starts = (None,) if start is None else start.members
    tasks = []
    for index in range(count):
        own = recipe if not index else recipe.changed({"seed": recipe.seed + index}, source=f"member {index + 1}")
        digest = f"{data.digest} member {index + 1} of {count}"
        tasks.append(
            _Task(
                number=index + 1,
                place=folder / f"member-{index + 1}",
                recipe=own,
                data=replace(data, digest=digest, start=starts[index % len(starts)]),
            )
        )
    return tasks


def _train_member(session: Session, task: _Task, ended: Sequence[TrainedNetwork], *, count: int) -> TrainedNetwork:
    """Train one member, or go on with it, in the precision and at the width that were measured for the first."""
    recipe = task.recipe
    if ended:
        first = ended[0].recipe
        for name in set(SAME_FOR_ALL) & set(first.measured()):
            recipe = recipe.changed({name: first.value(name)}, source=first.sources[name])
    if not ended:
        session.events.recipe(recipe)
    return train_network(
        task.data,
        recipe,
        folder=task.place,
        deadline=session.budget.member_until(members=count - task.number + 1, count=count, fold_work=session.fold_work),
        listener=Listener(progress=session.events.training, epoch=lambda row: session.events.epoch(row, task.number)),
        resume=(task.place / CHECKPOINT).exists(),
        should_stop=session.should_stop,
    )


def _combined(
    session: Session,
    data: TrainingData,
    count: int,
    *,
    tasks: Sequence[_Task],
    ended: Sequence[TrainedNetwork],
    in_haste: bool,
) -> TrainedNetwork:
    """One network of the trainings that have ended, and what is known of it."""
    notes = tuple(dict.fromkeys(note for one in ended for note in one.notes))
    if len(ended) == 1:
        return replace(ended[0], notes=(*notes, _only_one(count, "finished")))
    networks = [one.single for one in ended]
    if in_haste:
        choice = average_all(
            networks, why="interrupted before they were compared with single trainings", outputs=data.truth.outputs
        )
    else:
        groups = number_groups(data.groups_of(data.validation_rows))
        choice = choose_combination(networks, data, normalisation=ended[0].normalisation, groups=groups)
    session.events.say(f"ensemble: {choice.reason}")
    combination = _describe(choice, count, tasks, ended)
    if choice.gain is not None and choice.way != "single":
        session.events.say(describe_gain(choice.gain, number=combination.single_number, part="validation"))
    return replace(
        ended[choice.best],
        network=choice.network,
        recipe=ended[0].recipe,
        notes=notes,
        combination=combination,
    )


def _only_one(count: int, state: str) -> str:
    return f"interrupted: the model holds 1 of {count} trainings, {state}"


def _describe(choice: Choice, count: int, tasks: Sequence[_Task], ended: Sequence[TrainedNetwork]) -> Combination:
    scores = choice.trials[: len(ended)] or (None,) * len(ended)
    members = [
        {
            "number": task.number,
            "seed": task.recipe.seed,
            "epochs": len(one.history),
            "seconds": round(sum(row.seconds for row in one.history), 6),
            "stopped_by": one.stopped_by,
            "accuracy": None if score is None else round(score.accuracy, 6),  # on the validation images
            "log_loss": None if score is None else round(score.log_loss, 6),
        }
        for task, one, score in zip(tasks, ended, scores, strict=False)
    ]
    trials = [
        {
            "name": one.name,
            "accuracy": round(one.accuracy, 6),
            "log_loss": round(one.log_loss, 6),
            "members": list(one.members),
        }
        for one in choice.trials[len(ended) :]
    ]
    return Combination(
        way=choice.way,
        reason=choice.reason,
        single=ended[choice.best].single,
        single_number=choice.best + 1,
        figures={
            "way": choice.way,
            "asked": count,
            "used": [index + 1 for index in choice.used],  # the best first
            "members": members,
            "trials": trials,
            "validation": None if choice.gain is None else choice.gain.gain_as_json(),
        },
    )


def compared_with(number: int) -> str:
    """What the ensemble is compared with."""
    return f"the best single training (number {number})"


def describe_gain(gain: PairedComparison, *, number: int, part: str) -> str:
    """What the ensemble gains in accuracy, in percentage points."""
    low, high = 100 * gain.interval.low, 100 * gain.interval.high
    return (
        f"gain over {compared_with(number)}: {100 * gain.difference:+.1f} points ({low:+.1f} to {high:+.1f}) "
        f"on {gain.image_count:,} {part} images"
    )
