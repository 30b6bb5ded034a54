"""The curves of a model on images made worse: a sentence, the figures, and one image at each step."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from vidi.evaluation.evaluation import Estimate
from vidi.evaluation.robustness import Curve, NotMeasured, Robustness
from vidi.figures.robustness import Step, draw_robustness
from vidi.images.framing import Framing, reduce_to_frame
from vidi.images.spoiling import SPOILINGS
from vidi.metrics.intervals import Interval
from vidi.report.pages.render import percent
from vidi.report.pictures.thumbnails import SMALL_SIDE, Thumbnail, data_uri

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
    figure: Markup
    strip: Thumbnail | None


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
        found: the accuracy, or why there is none.
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
        panels.append(Panel(title, Markup(svg), strips.get(title)))  # noqa: S704 - drawn by ourselves
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
        found: says which steps were measured.
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
        tiles = [SPOILINGS[name].spoil(working, strength, random) for name, strength in chosen]
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
