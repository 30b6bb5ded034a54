"""Several trainings that became one network: how, and what that gains, in sentences."""

from vidi.metrics.paired import PairedComparison
from vidi.numbers import percent
from vidi.training.combination import CombinationTrial, Decision

MEMBERS_DELETED = (
    "deleted the folders of the single trainings: model.onnx holds the network, metrics.json their figures"
)


def training_of_several(number: int, count: int, *, seed: int) -> str:
    """Which training begins, and how it differs from the others.

    Args:
        number: from 1.
        count: trainings in all.
        seed: its own.

    >>> training_of_several(2, 5, seed=1)
    'training 2 of 5: seed 1'
    """
    return f"training {number} of {count}: seed {seed}"


def only_some_ended(ended: int, count: int) -> str:
    """That the model holds fewer trainings than were asked for."""
    return f"{ended} of {count} trainings finished: the model holds only these"


def describe_decision(decision: Decision) -> str:
    """How the trainings were combined, and why so."""
    count, kept = decision.count, decision.kept
    averaged = f"averaged the {decision.averaged} of {count} networks"
    if kept is not None:
        shown = ", ".join(_trial(one) for one in decision.others)
        return f"kept {_trial(kept)} accuracy on {decision.image_count:,} validation images; {shown}"
    if decision.by == "interrupted":
        return f"{averaged}: interrupted before other ways were tried"
    return f"{averaged}: there is no validation image to try averaged weights on"


def _trial(one: CombinationTrial) -> str:
    return f"{one.name} {percent(one.accuracy, digits=1)}"


def compared_with(number: int) -> str:
    """What the ensemble is compared with.

    Args:
        number: of the best single training.
    """
    return f"the best single training (number {number})"


def describe_gain(gain: PairedComparison, *, number: int, part: str) -> str:
    """What the ensemble gains in accuracy, in percentage points.

    Args:
        gain: of the ensemble over the single one.
        number: as `compared_with` takes it.
        part: which images.
    """
    low, high = 100 * gain.interval.low, 100 * gain.interval.high
    return (
        f"gain over {compared_with(number)}: {100 * gain.difference:+.1f} points ({low:+.1f} to {high:+.1f}) "
        f"on {gain.image_count:,} {part} images"
    )


def describe_cost(*, ensemble: float, single: float) -> str:
    """The time for one image; milliseconds."""
    return f"cost: {ensemble:.2g} ms per image on this computer, a single network {single:.2g} ms"
