"""Whether the number can be trusted, as the page says it: shortcuts, slices and robustness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidi.evaluation.evaluate import Evaluation
from vidi.evaluation.robustness import Curve, NotMeasured, Robustness
from vidi.evaluation.run_files import RunFiles
from vidi.evaluation.scores import Estimate
from vidi.evaluation.slices import Slice
from vidi.figures.evaluation import Step, draw_robustness
from vidi.images.corruptions import CORRUPTIONS
from vidi.images.framing import Framing, reduce_to_frame
from vidi.metrics.intervals import Interval
from vidi.report.pictures.thumbnails import SMALL_SIDE, Thumbnail, data_uri
from vidi.report.words.text import drawn, percent

if TYPE_CHECKING:
    from markupsafe import Markup

NEARLY_ALL = 0.8  # of the model's way above chance: what plain numbers reach of it is said to explain most of it
HARDLY = 0.02  # points: a smaller loss is called hardly any
TILE = 72  # pixels, the longer side of one small picture
GAP = 3  # pixels between two
REASONS: Mapping[str, str] = {
    "few": "Too few test images to measure robustness: 20 are needed.",
    "time": "There was no time to measure robustness: `vidi evaluate MODEL DATA --robustness` does it.",
    "off": "Robustness was not measured: `vidi evaluate MODEL DATA --robustness` does it.",
}
MIDDLE_ALONE = "There was time for this strength alone: `vidi evaluate MODEL DATA --robustness` measures all five."
# Panels: a title, the kind on the left of the image as it is, and the one on its right.
PANELS: tuple[tuple[str, str | None, str], ...] = (
    ("Blur", None, "blur"),
    ("Noise", None, "noise"),
    ("JPEG", None, "jpeg"),
    ("Brightness", "darker", "brighter"),
    ("Contrast", None, "contrast"),
    ("Rotation", None, "rotation"),
    ("Scale", "farther", "nearer"),
)
AS_IT_IS: Mapping[str, str] = {
    "brighter": "100",
    "contrast": "100",
    "nearer": "1",
    "blur": "0",
    "noise": "0",
    "rotation": "0",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One change: its figure, and one image at some of its steps."""

    title: str
    figure: "Markup"
    strip: Thumbnail | None


def describe_trust(files: RunFiles, example: NDArray[np.uint8] | None) -> dict[str, object]:
    """What the section shows, from check.json and metrics.json; each part None or empty where it was not looked at.

    Args:
        example: (height, width, 3) uint8, a test image to be shown at each step of worse; None without pictures.
    """
    shortcuts, trust = files.check.get("shortcuts"), files.metrics.trust
    robustness, slices = trust.robustness, trust.slices
    strips = {}
    if robustness is not None and example is not None and files.model is not None:
        strips = make_strips(robustness, example, files.model.metadata.framing)
    return {
        "anything": shortcuts is not None or robustness is not None or bool(slices),
        "shortcuts": shortcuts,
        "shortcut_sentence": "" if shortcuts is None else explain_shortcuts(shortcuts, files.metrics.parts.test),
        "shortcut_findings": [one["message"] for one in files.check.get("findings", ()) if one["kind"] == "shortcut"],
        "slices": slices,
        "slice_sentence": explain_slices(slices),
        "robustness": robustness,
        "robustness_sentence": "" if robustness is None else explain_robustness(robustness),
        "panels": () if robustness is None else draw_panels(robustness, strips),
    }


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
    """What all plain numbers together reach, compared with the model."""
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


def explain_robustness(found: Robustness | NotMeasured) -> str:
    """Under what it loses most, and what costs it hardly anything, in a sentence or two."""
    if isinstance(found, NotMeasured):
        return REASONS[found.reason]
    clean = found.clean.value or 0.0
    by_loss = sorted(found.curves, key=_in_the_middle)
    worst, hardly = by_loss[0], [curve for curve in by_loss if clean - _in_the_middle(curve) < HARDLY]
    rest = "" if found.has_every_step else f" {MIDDLE_ALONE}"
    if clean - _in_the_middle(worst) < HARDLY:
        return (
            f"It is robust: on {found.image_count:,} images no change of medium strength (3 of 5) costs more than "
            f"2 points of accuracy.{rest}"
        )
    low = worst.accuracies[_middle(worst)]
    sentence = (
        f"It loses most under {worst.noun}: at strength 3 of 5 ({worst.strengths[_middle(worst)]:g} {worst.unit}) "
        f"accuracy falls from {percent(clean)} to {percent(low.value)} (95 % range {percent(low.low)} to "
        f"{percent(low.high)}, n = {low.image_count:,})."
    )
    if not hardly:
        return f"{sentence} Every change of that strength costs 2 points or more.{rest}"
    names = ", ".join(curve.noun for curve in hardly)
    return f"{sentence} It loses less than 2 points under {names} of that strength.{rest}"


def _middle(curve: Curve) -> int:
    """The index of strength 3 of 5, of which the sentence speaks."""
    return len(curve.strengths) // 2


def _in_the_middle(curve: Curve) -> float:
    return curve.accuracies[_middle(curve)].value or 0.0


def draw_panels(found: Robustness | NotMeasured, strips: Mapping[str, Thumbnail]) -> tuple[Panel, ...]:
    """The figures, one for each kind of change.

    Args:
        strips: of `make_strips`, by title; empty without pictures.
    """
    if isinstance(found, NotMeasured):
        return ()
    curves = {curve.name: curve for curve in found.curves}
    estimates = [found.clean, *(one for curve in found.curves for one in curve.accuracies)]
    lowest = max(0.0, min(one.low for one in estimates if one.low is not None) - 0.03)
    panels = []
    for title, left, right in PANELS:
        before = [] if left is None else _steps(curves[left])[::-1]
        middle = _step(AS_IT_IS.get(right, "as is"), found.clean)
        svg = draw_robustness(
            [*before, middle, *_steps(curves[right])],
            clean=len(before),
            axis=f"{title.lower() if title != 'JPEG' else title}, {curves[right].unit}",
            lowest=lowest,
            title=title,
            name=f"robust-{right}",
        )
        panels.append(Panel(title, drawn(svg), strips.get(title)))
    return tuple(panels)


def _steps(curve: Curve) -> list[Step]:
    return [_step(f"{strength:g}", one) for strength, one in zip(curve.strengths, curve.accuracies, strict=True)]


def _step(label: str, estimate: Estimate) -> Step:
    value = estimate.value or 0.0
    interval = estimate.interval or Interval(value, value)
    return Step(label, value, interval.low, interval.high)


def make_strips(found: Robustness | NotMeasured, image: NDArray[np.uint8], framing: Framing) -> dict[str, Thumbnail]:
    """One image at up to six of the measured steps of each change, side by side in one picture, by the panel's title.

    Args:
        image: (height, width, 3) uint8, upright.
        framing: of the model: changes are made at the size at which they were measured.
    """
    if isinstance(found, NotMeasured):
        return {}
    curves = {curve.name: curve for curve in found.curves}
    working, random = reduce_to_frame(image, framing), np.random.default_rng(0)
    strips = {}
    for title, left, right in PANELS:
        every = 1 if left is None else 2  # of two changes there is no room for every step
        before = [] if left is None else [(left, strength) for strength in curves[left].strengths[::-every]]
        chosen = [*before, *((right, strength) for strength in curves[right].strengths[::every])]
        tiles = [CORRUPTIONS[name].corrupt(working, strength, random) for name, strength in chosen]
        strips[title] = _side_by_side(tiles)
    return strips


def _side_by_side(tiles: list[NDArray[np.uint8]]) -> Thumbnail:
    height, width = tiles[0].shape[:2]
    is_small = max(height, width) <= SMALL_SIDE
    scale = min(1.0, TILE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    gap = 1 if is_small else GAP
    strip = Image.new("RGBA", (len(tiles) * (size[0] + gap) - gap, size[1]))
    for number, tile in enumerate(tiles):
        strip.paste(Image.fromarray(tile).resize(size, Image.Resampling.BILINEAR), (number * (size[0] + gap), 0))
    return Thumbnail(data_uri(strip, lossless=is_small), strip.width, strip.height, is_small)
