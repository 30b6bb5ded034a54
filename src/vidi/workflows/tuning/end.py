"""The end of a search: is the best recipe really better, on images that no trial was scored on?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import VidiError
from vidi.machine import Deadline
from vidi.metrics.paired import compare_paired
from vidi.numbers import percent
from vidi.training.recipe import Recipe
from vidi.training.tuning import study as studies
from vidi.training.tuning.comparison import (
    ComparisonImages,
    HeldOutAnswers,
    answer_held_out,
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
    if studies.is_default(best.values, search.settings.hyperparameters):
        return SearchFinding(is_better=False, sentence=KEEP, detail=NONE_BETTER)
    turned = recipe_of(search.recipe, search.settings.hyperparameters, best.values, source=f"tune: trial {best.number}")
    answers = []
    for name, recipe in (("default", search.recipe), ("best", turned)):
        try:
            answered = _answer(search, recipe, held_out, doing=f"the {name} recipe again")
        except VidiError as error:
            detail = f"The {name} recipe failed when it was trained again: {error.cause}."
            return SearchFinding(is_better=False, sentence=KEEP, detail=detail)
        if answered is None:
            return None
        answers.append(answered)
    finding = _finding(answers[0].is_right, answers[1].is_right, groups, trial=best.number)
    epochs = " and ".join(f"{answered.epochs:,}" for answered in answers)
    trained = f"Each was trained for at most {search.settings.trial_seconds:g} s, enough for {epochs} epochs."
    return replace(finding, detail=f"{finding.detail} {trained}")


def _answer(search: Search, recipe: Recipe, held_out: FramedRows, *, doing: str) -> HeldOutAnswers | None:
    search.session.events.say(f"training {doing}, with a new seed")
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
    compared = compare_paired(default, best, groups=groups)
    if compared is None:
        return SearchFinding(is_better=False, sentence=KEEP, detail=NOTHING_TO_COMPARE_ON)
    figures = comparison_as_json(compared)
    is_better = compared.verdict == "better"
    points, low, high = (100 * value for value in (compared.difference, compared.interval.low, compared.interval.high))
    old, new = (percent(one, digits=1) for one in (compared.first_accuracy, compared.second_accuracy))
    detail = (
        f"Accuracy on {compared.image_count:,} images that no trial used: {old} with the default, {new} with trial "
        f"{trial}. Only the new recipe classified {compared.only_second:,} of them correctly, only the default "
        f"{compared.only_first:,}."
    )
    if is_better:
        sentence = f"better by {points:.1f} points (95 % interval {low:.1f} to {high:.1f})"
        return SearchFinding(is_better=True, sentence=sentence, detail=detail, comparison=figures)
    signed = [f"{value:+.1f}".replace("-", "−").replace("+0.0", "0.0") for value in (points, low, high)]
    detail += f" The difference is {signed[0]} points (95 % interval {signed[1]} to {signed[2]})."
    if compared.difference > 0 and figures["images_needed"]:
        needed = float(f"{figures['images_needed']:.2g}")
        detail += f" About {needed:,.0f} images would show a gain of that size."
    return SearchFinding(is_better=False, sentence=KEEP, detail=detail, comparison=figures)
