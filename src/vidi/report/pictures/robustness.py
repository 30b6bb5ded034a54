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

MIDDLE = 2  # index of strength 3 of 5, of which the sentence speaks
HARDLY = 0.02  # points: a smaller loss is called hardly any
TILE = 72  # pixels, the longer side of one small picture
GAP = 3  # pixels between two
REASONS: Mapping[str, str] = {
    "few": "Too few test images to measure robustness: 30 are needed.",
    "time": "No time was left to measure robustness: `vidi evaluate MODEL DATA` does it.",
    "off": "Robustness was not measured.",
}
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
    low = _in_the_middle(worst)
    if clean - low < HARDLY:
        return "It is robust: no change of medium strength (3 of 5) costs more than 2 points of accuracy."
    sentence = (
        f"It loses most under {worst.noun}: from {percent(clean)} to {percent(low)} at strength 3 of 5 "
        f"({worst.strengths[MIDDLE]:g} {worst.unit})."
    )
    if not hardly:
        return f"{sentence} Every change of that strength costs 2 points or more."
    names = ", ".join(curve.noun for curve in hardly)
    return f"{sentence} It loses less than 2 points under {names} of that strength."


def _in_the_middle(curve: Curve) -> float:
    return curve.accuracies[MIDDLE].value or 0.0


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


def make_strips(image: NDArray[np.uint8], framing: Framing) -> dict[str, Thumbnail]:
    """One image at five or six steps of each change, side by side in one picture, by the panel's title.

    Args:
        image: (height, width, 3) uint8, upright.
        framing: of the model: changes are made at the size at which they were measured.
    """
    working, random = reduce_to_frame(image, framing), np.random.default_rng(0)
    strips = {}
    for title, left, right in PANELS:
        chosen = (
            [(left, 4), (left, 2), (left, 0), (right, 0), (right, 2), (right, 4)]
            if left is not None
            else [(right, step) for step in range(5)]
        )
        tiles = [
            SPOILINGS[name].spoil(working, SPOILINGS[name].strengths[step], random)
            for name, step in chosen
            if name is not None
        ]
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
