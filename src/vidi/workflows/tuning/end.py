"""The end of a search: is the best recipe really better, on images that no trial was scored on?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import VidiError
from vidi.machine import Deadline
from vidi.numbers import percent
from vidi.training.recipe import Recipe
from vidi.training.tuning import study as studies
from vidi.training.tuning.comparison import (
    ComparisonImages,
    HeldOutAnswers,
    answer_held_out,
    compare_recipes,
    comparison_as_json,
)
from vidi.workflows.tuning.framed_rows import FramedRows
from vidi.workflows.tuning.trials import Search, best_row, recipe_of

KEEP = "no gain could be shown; keep the default"
NO_TRIAL_FINISHED = "No trial finished."
NOTHING_TO_COMPARE_ON = "There is no image to compare them on."
NONE_BETTER = "No trial was better than the default on the validation images."


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFinding:
    """Result of the search."""

    is_better: bool
    sentence: str
    detail: str  # what it rests on, or why there is nothing to rest on
    comparison: Mapping[str, Any] | None = None  # figures, where both recipes were trained once more

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "is_better": self.is_better,
            "sentence": self.sentence,
            "detail": self.detail,
            "comparison": None if self.comparison is None else dict(self.comparison),
        }


def compare(search: Search, held_out: FramedRows, groups: NDArray[np.int64]) -> SearchFinding | None:
    """Train the default and the best recipe once more, with a new seed, and compare them image by image.

    Args:
        search: its study is at its end.
        held_out: images that no trial learned from or was judged by.
        groups: (images,) which of them belong together.

    Returns:
        The finding; None where the user asked for an end.
    """
    best = best_row(studies.trial_rows(search.study))
    if best is None:
        return SearchFinding(is_better=False, sentence=KEEP, detail=NO_TRIAL_FINISHED)
    if studies.is_default(best.values, search.settings.dials):
        return SearchFinding(is_better=False, sentence=KEEP, detail=NONE_BETTER)
    turned = recipe_of(search.recipe, search.settings.dials, best.values, source=f"tune: trial {best.number}")
    answers = []
    for name, recipe in (("default", search.recipe), ("best", turned)):
        try:
            answered = _answer(search, recipe, held_out, doing=again(name))
        except VidiError as error:
            detail = failed_again(name, error.cause)
            return SearchFinding(is_better=False, sentence=KEEP, detail=detail)
        if answered is None:
            return None
        answers.append(answered)
    finding = _finding(answers[0].is_right, answers[1].is_right, groups, trial=best.number)
    seconds = trained_for(search.settings.trial_seconds, [answered.epochs for answered in answers])
    return replace(finding, detail=f"{finding.detail} {seconds}")


def _answer(search: Search, recipe: Recipe, held_out: FramedRows, *, doing: str) -> HeldOutAnswers | None:
    search.session.events.say(training_again(doing))
    size = recipe.image_size
    return answer_held_out(
        search.images.arrays(size, search.session.events.reading),
        recipe.changed({"seed": recipe.seed + 1}, source="tune: another seed than the trials'"),
        ComparisonImages(
            images=held_out.at(size, search.session.events.reading),
            truth=held_out.truth,
        ),
        folder=search.workshop,
        deadline=Deadline.after(search.settings.trial_seconds),
        should_stop=search.session.should_stop,
        on_progress=search.tell(doing),
    )


def _finding(
    default: NDArray[np.bool_], best: NDArray[np.bool_], groups: NDArray[np.int64], *, trial: int
) -> SearchFinding:
    compared = compare_recipes(default, best, groups=groups)
    if compared is None:
        return SearchFinding(is_better=False, sentence=KEEP, detail=NOTHING_TO_COMPARE_ON)
    figures = comparison_as_json(compared)
    is_better = compared.verdict == "better"
    points, low, high = (100 * value for value in (compared.difference, compared.interval.low, compared.interval.high))
    detail = compared_on(
        compared.image_count,
        default=compared.first_accuracy,
        best=compared.second_accuracy,
        trial=trial,
        only_best=compared.only_second,
        only_default=compared.only_first,
    )
    if is_better:
        sentence = better_by(points, low, high)
        return SearchFinding(is_better=True, sentence=sentence, detail=detail, comparison=figures)
    detail += f" {difference_line(points, low, high)}"
    if compared.difference > 0 and figures["images_needed"]:
        needed = float(f"{figures['images_needed']:.2g}")
        detail += f" {images_for_gain(needed)}"
    return SearchFinding(is_better=False, sentence=KEEP, detail=detail, comparison=figures)


def again(name: str) -> str:
    """Which recipe is trained for the final comparison."""
    return f"the {name} recipe again"


def training_again(doing: str) -> str:
    """That a training for the final comparison begins."""
    return f"training {doing}, with a new seed"


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
