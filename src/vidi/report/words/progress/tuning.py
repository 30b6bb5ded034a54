"""The search for a better recipe, in lines for the terminal and the page."""

from collections.abc import Sequence

from vidi.numbers import percent

KEEP = "no gain could be shown; keep the default"
NO_TRIAL_FINISHED = "No trial finished."
NONE_BETTER = "No trial was better than the default on the validation images."
NOTHING_TO_COMPARE_ON = "There is no image to compare them on."
BEHIND = "stopped early, behind the others"


def search_line(names: Sequence[str], seconds: float, held_out: int) -> str:
    """What is searched, how long each training may take, and on how many images the result is tested."""
    return (
        f"searching {', '.join(names)}; at most {seconds:g} s per training; "
        f"{held_out:,} images held out for the final comparison"
    )


def short_trainings(seconds: float, epochs: float, *, minutes: float, wanted: float) -> str:
    """That each training is short, and how much time would change that."""
    return (
        f"trainings are short: {seconds:g} s, about {epochs:.2g} epochs of the default recipe. The result holds only "
        f"for such trainings; --minutes {minutes:.0f} gives each {wanted:g} epochs"
    )


def sizes_not_searched(seconds: float) -> str:
    """That decoding takes too long to search for the image size."""
    return f"not searching image sizes: decoding the images at each size would take {seconds:.0f} s"


def again(name: str) -> str:
    """Which recipe is trained for the final comparison."""
    return f"the {name} recipe again"


def training_again(doing: str) -> str:
    """That a training for the final comparison begins."""
    return f"training {doing}, with a new seed"


def trial_line(number: int, result: str, *, is_default: bool, best: tuple[int, float] | None) -> str:
    """What a trial reached.

    Args:
        number: of the trial.
        result: in words.
        is_default: whether it is the default recipe.
        best: number and accuracy of the best trial so far.
    """
    standing = "" if best is None else f"; best so far {percent(best[1], digits=1)} (trial {best[0]})"
    return f"trial {number}{' (the default recipe)' if is_default else ''}: {result}{standing}"


def lost_trial(number: int, why: str) -> str:
    """That a trial got lost on the way, and is tried again."""
    return f"trial {number} is lost ({why}); its values are tried again"


def validation_accuracy(accuracy: float) -> str:
    """The accuracy of a trial."""
    return f"accuracy {percent(accuracy, digits=1)} on the validation images"


def trained_for(seconds: float, epochs: Sequence[int]) -> str:
    """How long the two recipes were trained for the final comparison."""
    counts = " and ".join(f"{count:,}" for count in epochs)
    return f"Each was trained for at most {seconds:g} s, enough for {counts} epochs."


def failed_again(name: str, cause: str) -> str:
    """That a recipe failed in the final comparison."""
    return f"The {name} recipe failed when it was trained again: {cause}."


def better_by(points: float, low: float, high: float) -> str:
    """The gain, in percentage points."""
    return f"better by {points:.1f} points (95 % interval {low:.1f} to {high:.1f})"


def compared_on(images: int, *, default: float, best: float, trial: int, only_best: int, only_default: int) -> str:
    """What both recipes reached on images that no trial used."""
    shares = f"{percent(default, digits=1)} with the default, {percent(best, digits=1)} with trial {trial}"
    return (
        f"Accuracy on {images:,} images that no trial used: {shares}. "
        f"Only the new recipe classified {only_best:,} of them correctly, only the default {only_default:,}."
    )


def difference_line(points: float, low: float, high: float) -> str:
    """A difference that is not shown to be one, in percentage points."""
    signed = [f"{value:+.1f}".replace("-", "−").replace("+0.0", "0.0") for value in (points, low, high)]
    return f"The difference is {signed[0]} points (95 % interval {signed[1]} to {signed[2]})."


def images_for_gain(needed: float) -> str:
    """How many images would show the gain."""
    return f"About {needed:,.0f} images would show a gain of that size."
