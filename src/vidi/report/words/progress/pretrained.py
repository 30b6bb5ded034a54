"""Pretrained networks, their heads, and what is studied with their features, in lines for the terminal."""

from collections.abc import Sequence
from typing import Protocol

from vidi.evaluation.sections import LabelErrors
from vidi.numbers import percent

TOO_FEW_TO_STUDY = "skipped the label-error and learning-curve checks: too few classes have two training images"
TRYING_RATES = "trying learning rates, step"
CHANCE = "the difference may be chance, so the larger network stays"


class Sized(Protocol):
    """A pretrained network at an image size."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> tuple[int, int]: ...


def sized(candidate: Sized) -> str:
    """A network and its image size; height first."""
    return f"{candidate.name} at {candidate.size[0]}x{candidate.size[1]}"


def only_some_affordable(
    kept: Sequence[Sized], *, usual: Sized, images: int, seconds: float, seconds_left: float
) -> str:
    """That there is no time to try every pretrained network.

    Args:
        kept: those that are tried.
        usual: the one whose time was estimated.
        images: whose features are needed.
        seconds: that these take.
        seconds_left: until the run must end.
    """
    return (
        f"Short on time: {images:,} images take about {seconds:.0f} s with {sized(usual)}, and "
        f"{max(seconds_left, 0):.0f} s are left. Trying only {', '.join(map(sized, kept))}."
    )


def seen_smaller(kept: Sized, *, usual: Sized) -> str:
    """That images are seen at a smaller size, for want of time on this computer as it is now."""
    return f"Short on time on this busy computer: trying only {sized(kept)}, not {usual.size[0]}x{usual.size[1]}."


def pair_left_out(pair: str, *, images: int, seconds: float, seconds_left: float) -> str:
    """That there is no time for two networks side by side.

    Args:
        pair: their names.
        images: that both would still have to see.
        seconds: that these take.
        seconds_left: until the run must end.
    """
    return (
        f"Short on time: {pair} is not tried; {images:,} more images would take it about {seconds:.0f} s, and "
        f"{max(seconds_left, 0):.0f} s are left."
    )


def compared_networks(losses: Sequence[tuple[Sized, float]], images: int) -> str:
    """The log loss of each pretrained network on a sample."""
    shown = ", ".join(f"{sized(one)} {loss:.3f}" for one, loss in losses)
    return f"compared on {images:,} images (log loss, lower is better): {shown}"


def usual_stays(margin: float) -> str:
    """Why the usual network is chosen though another has a slightly lower log loss."""
    return f"the difference is below {percent(margin)}, so the usual or smaller one stays"


def chosen_network(candidate: Sized, reason: str) -> str:
    """Which network is chosen where it has not the lowest log loss, and why."""
    return f"chosen: {sized(candidate)}; {reason}"


def class_weights_line(kind: str, reason: str) -> str:
    """How classes are weighted, and why."""
    return f"class weights: {kind}; {reason}"


def head_line(kind: str, weights: str, *, accuracy: float, held_out: int) -> str:
    """The head that was chosen.

    Args:
        kind: of the head.
        weights: whose features it is on.
        accuracy: in cross-validation.
        held_out: images that this rests on; 0 where there are too few.
    """
    judged = f"accuracy {percent(accuracy, digits=1)} on {held_out:,} held-out images"
    if not held_out:
        judged = "not compared with others: too few classes have two training images"
    return f"head: {kind} on features of {weights}, {judged}"


def computing_for_studies(weights: str) -> str:
    """That a network from scratch needs features of another for its diagnostics."""
    return f"computing features with {weights}, for the label-error and learning-curve checks"


def suspects_line(found: LabelErrors) -> str:
    """How many labels may be wrong, and what follows; or that none can be doubted."""
    if found.accuracy is not None:
        share = percent(found.accuracy)
        return f"labels: not checked, for only {share} of {found.images:,} held-out images are classified correctly"
    done = f"{found.left_out:,} left out of training" if found.left_out else "listed in label_errors.csv"
    return f"labels: {found.listed:,} of {found.images:,} may be wrong" + (f"; {done}" if found.listed else "")


def no_falling_rate(network: str) -> str:
    """That the range test found no learning rate."""
    return f"the loss of {network} fell at no learning rate in this short test"


def falling_rate(network: str, rate: float, usual: float) -> str:
    """The learning rate that the range test suggests."""
    fastest = f"falls fastest at a learning rate of {rate:g} (usual here: {usual:g})"
    return f"the loss of {network} {fastest}; try: --lr {rate:g}"
