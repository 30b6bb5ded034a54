"""Whether the number can be trusted: what plain numbers alone would reach, as the page says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.evaluation import Evaluation
from vidi.evaluation.robustness import NotMeasured, Robustness
from vidi.evaluation.slices import Slice
from vidi.report.pages.render import percent
from vidi.report.pages.run_files import RunFiles
from vidi.report.pictures.robustness import Panel, draw_panels, explain_robustness, make_strips

NEARLY_ALL = 0.8  # of the model's way above chance: what plain numbers reach of it is said to explain most of it


@dataclass(frozen=True, slots=True)
class Trust:
    """What the section shows; each part None or empty where it was not looked at."""

    shortcuts: Mapping[str, Any] | None  # of check.json
    shortcut_sentence: str
    shortcut_findings: tuple[str, ...]
    slices: Sequence[Slice]
    slice_sentence: str
    robustness: Robustness | NotMeasured | None
    robustness_sentence: str
    panels: tuple[Panel, ...]

    @property
    def anything(self) -> bool:
        """Whether the section has content."""
        return self.shortcuts is not None or self.robustness is not None or bool(self.slices)


def describe_trust(files: RunFiles, example: NDArray[np.uint8] | None) -> Trust:
    """The section's content, from check.json and metrics.json.

    Args:
        files: of the run or the evaluation.
        example: (height, width, 3) uint8, a test image to be shown at each step of worse; None without pictures.
    """
    shortcuts, robustness, slices = (
        files.check.get("shortcuts"),
        files.metrics.trust.robustness,
        files.metrics.trust.slices,
    )
    strips = {}
    if robustness is not None and example is not None and files.model is not None:
        strips = make_strips(robustness, example, files.model.metadata.framing)
    return Trust(
        shortcuts=shortcuts,
        shortcut_sentence="" if shortcuts is None else explain_shortcuts(shortcuts, files.metrics.parts.test),
        shortcut_findings=tuple(
            finding["message"] for finding in files.check.get("findings", ()) if finding["kind"] == "shortcut"
        ),
        slices=slices,
        slice_sentence=explain_slices(slices),
        robustness=robustness,
        robustness_sentence="" if robustness is None else explain_robustness(robustness),
        panels=() if robustness is None else draw_panels(robustness, strips),
    )


def explain_slices(slices: Sequence[Slice]) -> str:
    """The part of the images that fares worst, and whether that is more than chance."""
    if not slices:
        return ""
    looked = f"{len(slices):,} parts of the test images were compared."
    worse = sorted((one for one in slices if one.is_worse), key=lambda one: one.accuracy.value or 0.0)
    if not worse:
        return f"{looked} None is clearly worse than the rest: the differences may be chance."
    first = worse[0]
    rates = f"{percent(first.accuracy.value)} against {percent(first.others.value)} elsewhere"
    sentence = f"{looked} Accuracy is lower where {first.by.partition(',')[0]} is “{first.name}”: {rates}."
    more = len(worse) - 1
    return sentence if not more else f"{sentence} {more} more of them {'is' if more == 1 else 'are'} clearly worse."


def explain_shortcuts(shortcuts: Mapping[str, Any], test: Evaluation | None) -> str:
    """What all plain numbers together reach, compared with the model.

    Args:
        shortcuts: of check.json.
        test: None where nothing was tested.
    """
    chance = shortcuts["chance"]
    together = next(one for one in shortcuts["families"] if one["family"] == "together")
    if shortcuts.get("multi_label"):
        return (
            f"Together they predict whether a class is shown with a balanced accuracy of "
            f"{percent(together['accuracy'])} (chance: {percent(chance)})."
        )
    reached = f"Together they reach a balanced accuracy of {percent(together['accuracy'])} (chance: {percent(chance)})"
    model = None if test is None else test.macro.recall.value
    if model is None:
        return f"{reached}."
    way = (together["accuracy"] - chance) / max(model - chance, 1e-9)
    verdict = (
        "This is nearly as much: the images may differ in little else, or the model may look at little else."
        if way >= NEARLY_ALL
        else "So most of what the model knows must come from elsewhere."
    )
    return f"{reached}. The model reaches {percent(model)} on the test images. {verdict}"
