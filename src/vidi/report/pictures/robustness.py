"""The curves of a model on images made worse: a sentence, the figures, and one image at each step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from vidi.figures.robustness import Step, draw_robustness
from vidi.images.framing import Framing, reduce_to_frame
from vidi.images.spoiling import SPOILINGS
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


def explain_robustness(found: Mapping[str, Any]) -> str:
    """Under what it loses most, and what costs it hardly anything, in a sentence or two.

    Args:
        found: the section `robustness` of metrics.json.
    """
    if "left_out" in found:
        return REASONS[found["left_out"]]
    clean = found["clean"]["value"]
    by_loss = sorted(found["curves"], key=lambda curve: curve["accuracy"][MIDDLE]["value"])
    worst, hardly = by_loss[0], [curve for curve in by_loss if clean - curve["accuracy"][MIDDLE]["value"] < HARDLY]
    low = worst["accuracy"][MIDDLE]["value"]
    if clean - low < HARDLY:
        return "It is robust: no change of medium strength (3 of 5) costs more than 2 points of accuracy."
    sentence = (
        f"It loses most under {worst['noun']}: from {percent(clean)} to {percent(low)} at strength 3 of 5 "
        f"({worst['strengths'][MIDDLE]:g} {worst['unit']})."
    )
    if not hardly:
        return f"{sentence} Every change of that strength costs 2 points or more."
    names = ", ".join(curve["noun"] for curve in hardly)
    return f"{sentence} It loses less than 2 points under {names} of that strength."


def draw_panels(found: Mapping[str, Any], strips: Mapping[str, Thumbnail]) -> tuple[Panel, ...]:
    """The figures, one for each kind of change.

    Args:
        found: the section `robustness` of metrics.json.
        strips: of `make_strips`, by title; empty without pictures.
    """
    if "left_out" in found:
        return ()
    curves = {curve["name"]: curve for curve in found["curves"]}
    estimates = [found["clean"], *(one for curve in found["curves"] for one in curve["accuracy"])]
    lowest = max(0.0, min(one["low"] for one in estimates) - 0.03)
    panels = []
    for title, left, right in PANELS:
        before = [] if left is None else _steps(curves[left])[::-1]
        middle = _step(AS_IT_IS.get(right, "as is"), found["clean"])
        svg = draw_robustness(
            [*before, middle, *_steps(curves[right])],
            clean=len(before),
            axis=f"{title.lower() if title != 'JPEG' else title}, {curves[right]['unit']}",
            lowest=lowest,
            title=title,
            name=f"robust-{right}",
        )
        panels.append(Panel(title, Markup(svg), strips.get(title)))  # noqa: S704 - drawn by ourselves
    return tuple(panels)


def _steps(curve: Mapping[str, Any]) -> list[Step]:
    return [_step(f"{strength:g}", one) for strength, one in zip(curve["strengths"], curve["accuracy"], strict=True)]


def _step(label: str, estimate: Mapping[str, Any]) -> Step:
    return Step(label, estimate["value"], estimate["low"], estimate["high"])


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
