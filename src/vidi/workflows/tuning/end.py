"""The end of a search: is the best recipe really better, on images that no trial was scored on?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import VidiError
from vidi.metrics.paired import PairedComparison, compare_paired, images_needed
from vidi.numbers import percent
from vidi.training.engine.engine import precision_of
from vidi.training.loop.objective import answer
from vidi.training.recipe import Recipe
from vidi.training.tuning import study as studies
from vidi.training.tuning.trial import train_once
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


def compare(search: Search, held_out: FramedRows, groups: NDArray[np.int64]) -> SearchFinding | None:
    """Train the default and the best recipe once more, with a new seed, and compare them image by image.

    Args:
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
    (default, of_default), (found, of_found) = answers
    finding = _finding(default, found, groups, trial=best.number)
    epochs = f"{of_default:,} and {of_found:,}"
    trained = f"Each was trained for at most {search.settings.trial_seconds:g} s, enough for {epochs} epochs."
    return replace(finding, detail=f"{finding.detail} {trained}")


def _answer(
    search: Search, recipe: Recipe, held_out: FramedRows, *, doing: str
) -> tuple[NDArray[np.bool_], int] | None:
    """Which of the held-out images a recipe, trained once more, has right, and in how many epochs.

    None where the user asked for an end.
    """
    search.session.events.say(f"training {doing}, with a new seed")
    size, truth = recipe.image_size, held_out.truth
    arrays = search.images.arrays(size, search.session.events.reading)
    images = held_out.at(size, search.session.events.reading)
    again = recipe.changed({"seed": recipe.seed + 1}, source="tune: another seed than the trials'")
    trained = train_once(arrays, again, search.terms(doing))
    if trained.stopped_by == "user":
        return None
    probabilities = answer(
        trained.network,
        images,
        np.arange(len(truth)),
        normalisation=trained.normalisation,
        precision=precision_of(trained.recipe),
        outputs=truth.outputs,
    )
    return truth.correct(probabilities), len(trained.history)


def _finding(
    default: NDArray[np.bool_], best: NDArray[np.bool_], groups: NDArray[np.int64], *, trial: int
) -> SearchFinding:
    compared = compare_paired(default, best, groups=groups)
    if compared is None:
        return SearchFinding(is_better=False, sentence=KEEP, detail=NOTHING_TO_COMPARE_ON)
    figures = _figures(compared)
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


def _figures(compared: PairedComparison) -> dict[str, Any]:
    """Plain values for tune.json."""
    return {
        "images": compared.image_count,
        "groups": compared.group_count,
        "default_accuracy": compared.first_accuracy,
        "best_accuracy": compared.second_accuracy,
        "both_right": compared.both_right,
        "only_default_right": compared.only_first,
        "only_best_right": compared.only_second,
        "difference": compared.difference,
        "low": compared.interval.low,
        "high": compared.interval.high,
        "level": compared.level,
        "p_value": compared.p_value,
        "verdict": compared.verdict,
        "images_needed": images_needed(compared),
    }
