"""An explanation, as a value that draws itself and as a page: the answer, the maps, and how far they can be trusted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.explanation import Map, place_in_words
from vidi.figures.drawing import Drawing, side_by_side
from vidi.files import escape_path
from vidi.model_file.digests import member_count
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.read import ModelFile
from vidi.model_file.walk import MOST_EVIDENCE_CLASSES
from vidi.prediction.as_html import table_as_html
from vidi.prediction.prediction import Prediction
from vidi.prediction.words import NONE_OF_THEM, explain_verdict, why_never_sure
from vidi.report.pages.network import Layer, show_model
from vidi.report.pages.render import write_page
from vidi.report.pictures.overlays import PAPER, common_scale, draw_heat, draw_image
from vidi.report.pictures.thumbnails import Thumbnail
from vidi.report.words.text import percent, visible

COVERED_SHARE = 0.2  # of the image, in what is concluded about a map
FIGURE_WIDTH = 260  # at least, in the units of a drawing: room for a title
MOST_BARS = 6  # classes with their probabilities
ONE_REGION = "The network's last map has too few places to tell where the evidence lies: its images are small."
LEAST_DIFFERENCE = 0.05  # of a probability, that a map must make to have shown something


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deletion:
    """Probability of the answer while the image is covered, tenth by tenth."""

    marked: NDArray[np.float32]  # (steps + 1,) strongest parts of the map covered first
    random: NDArray[np.float32]  # (steps + 1,) random order: mean over random maps as coarse
    chance: NDArray[np.float32]  # (maps,) with `COVERED_SHARE` covered, for each random map


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Training image that is similar to this one for the network."""

    path: str  # as the data set names it
    label: str  # its label in the data
    similarity: float  # cosine of the embeddings, at most 1
    thumbnail: Thumbnail | None = field(repr=False)  # None if the run keeps no pictures


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Explanation of one prediction. Maps are by class, most probable first, and as large as `image`."""

    path: str  # as it was given
    image: NDArray[np.uint8] = field(repr=False)  # (height, width, 3), upright; a large image is reduced
    prediction: Prediction  # as `vidi predict` gives it
    evidence: Mapping[str, Map] = field(
        repr=False
    )  # above 0 supports the class; empty if the network gives no evidence map
    regions: NDArray[np.float32] | None = field(
        repr=False
    )  # evidence (classes, rows, columns) as the model file gives it
    occlusion: Mapping[str, Map] = field(repr=False)  # loss of probability when the place is covered
    covered: Mapping[str, float]  # probability of the class with its most important part covered
    deletion: Deletion = field(repr=False)
    neighbours: tuple[Neighbour, ...]  # most similar first; empty without the run folder
    layers: tuple[Layer, ...] = field(repr=False)  # layers of the network with their `maps` of the image
    known_count: int = 0  # number of training images that were searched
    is_framed: bool = False  # True if `image` shows the network's frame, because the image itself is too thin

    def plot(self) -> Drawing:
        """Draw the image and its maps; a notebook shows them, and their `save` writes them."""
        pictures = [(picture_as_text(self.path), draw_image(self.image))]
        for what, maps in (("What speaks for {}", self.evidence), ("What {} needs", self.occlusion)):
            scale = common_scale(maps.values())
            pictures += [
                (what.format(visible(label)), draw_heat(self.image, values, scale=scale))
                for label, values in maps.items()
            ]
        return side_by_side([_as_figure(picture, title) for title, picture in pictures])

    def _repr_html_(self) -> str:
        counted = Counter(neighbour.label for neighbour in self.neighbours)
        looks_like = ", ".join(f"{count} × {visible(label)}" for label, count in counted.most_common())
        rows = {"answer": str(self.prediction), "looks like": looks_like}
        return table_as_html(f"Why? {picture_as_text(self.path)}", rows) + self.plot()._repr_html_()


def picture_as_text(path: str) -> str:
    """The last part of an escaped path."""
    return escape_path(path).rpartition("/")[2]


def _as_figure(picture: Thumbnail, title: str) -> str:
    """A picture under its title as an `<svg>` element."""
    width = max(FIGURE_WIDTH, picture.width)
    words = f'<text x="0" y="14" font-size="14" fill="#808080">{escape(title)}</text>'
    image = f'<image href="{picture.uri}" y="22" width="{picture.width}" height="{picture.height}"/>'
    return f'<svg viewBox="0 0 {width} {picture.height + 22}"><title>{escape(title)}</title>{words}{image}</svg>'


@dataclass(frozen=True, slots=True)
class ShownMap:
    """One map as the page shows it."""

    label: str
    picture: Thumbnail
    text: str  # what can be seen, for those who do not
    probability: float
    covered: float | None  # its probability with the part covered which it needs most


def write_explanation(path: Path, explanation: Explanation, model: ModelFile, *, with_images: bool = True) -> None:
    """Write the page about one image; raises like `write_page`.

    Args:
        with_images: False leaves the image out; maps then lie on grey.
    """
    write_page(path, "explain.html", page_values(explanation, model, with_images=with_images))


def page_values(explanation: Explanation, model: ModelFile, *, with_images: bool) -> dict[str, object]:
    """What the template shows."""
    prediction = explanation.prediction
    # Without pictures, maps lie on grey, and layers are shown without what they see.
    image = explanation.image if with_images else np.full_like(explanation.image, PAPER)
    layers = explanation.layers if with_images else [replace(layer, maps=None) for layer in explanation.layers]
    return {
        "name": escape_path(explanation.path).rpartition("/")[2] or "image",
        "path": escape_path(explanation.path),
        "path_text": escape_path,
        "model": model,
        "prediction": prediction,
        "top": prediction.top(MOST_BARS),
        "more": len(prediction.classes) - MOST_BARS,
        "headline": headline(prediction),
        "verdict": verdict_sentence(prediction, model.metadata.verdict),
        "picture": draw_image(image),
        "with_images": with_images,
        "evidence": _shown_maps(explanation.evidence, image, explanation, kind="evidence"),
        "no_evidence": _no_evidence(explanation, model),
        "occlusion": _shown_maps(explanation.occlusion, image, explanation, kind="occlusion"),
        "neighbours": explanation.neighbours,
        "kinship": kinship_sentence(explanation),
        "network": show_model(model, layers, with_filters=with_images),
        "is_framed": explanation.is_framed,
        "trust": trust_sentence(explanation.deletion, (prediction.predicted or (prediction.label,))[0]),
    }


def headline(prediction: Prediction) -> str:
    """The answer in a sentence, as far as the verdict allows it to be said."""
    match prediction.verdict:
        case "unknown":
            return f"A strange image; nearest: {visible(prediction.label)}."
        case "unsure":
            return f"The model is unsure: {prediction.describe()}."
        case "sure":
            return f"The model is sure: {prediction.describe()}."
    if prediction.multi_label:
        return f"The model predicts {', '.join(map(visible, prediction.predicted)) or NONE_OF_THEM}."
    return f"The model predicts {visible(prediction.label)}, with a probability of {percent(prediction.probability)}."


def verdict_sentence(prediction: Prediction, limits: VerdictLimits | None) -> str:
    """How far the answer may be relied on, and why no answer of this model is called sure where that is so."""
    sentence = explain_verdict(prediction.verdict, limits, choices=len(prediction.candidates))
    never = why_never_sure(limits) if prediction.verdict == "unsure" else ""
    return f"{sentence} {never[:1].upper()}{never[1:]}." if never else sentence


def trust_sentence(deletion: Deletion, label: str) -> str:
    """Whether the answer depends on what the map marks, as far as that is beyond chance."""
    step = round(COVERED_SHARE * (len(deletion.marked) - 1))
    chance = np.sort(deletion.chance)
    start, marked, low, high = (
        percent(float(one)) for one in (deletion.marked[0], deletion.marked[step], chance[0], chance[-1])
    )
    moved = (
        "With the fifth of the image covered that the map marks most strongly, the probability of "
        f"{visible(label)} goes from {start} to {marked}; with a fifth chosen at random, {len(chance)} times, "
        f"to between {low} and {high}."
    )
    difference = float(np.mean(chance) - deletion.marked[step])
    if difference >= LEAST_DIFFERENCE and deletion.marked[step] < chance[0]:
        return f"{moved} So the answer depends on what is marked."
    if difference <= -LEAST_DIFFERENCE and deletion.marked[step] > chance[-1]:
        return f"{moved} So the answer depends less on what is marked than on the rest: do not rely on this map."
    return f"{moved} Chance does as much: do not conclude anything from where the map is strongest."


def why_no_evidence(*, class_count: int, network_count: int, pools: bool) -> str:
    """Why a model file has no evidence map: its classes, its networks, and whether they average over all places."""
    if class_count > MOST_EVIDENCE_CLASSES:
        reason = f"it has {class_count:,} classes, and evidence is kept for at most {MOST_EVIDENCE_CLASSES}."
    elif not pools:
        reason = "its network does not end in a mean over all places, so no place has a share of its own in the answer."
    elif network_count > 1:
        reason = f"its {network_count} networks do not all have maps of one size."
    else:
        reason = "the network's last layers are not ones that vidi can take apart."
    return f"The model file has no evidence map: {reason}"


def _no_evidence(explanation: Explanation, model: ModelFile) -> str:
    if explanation.regions is not None:
        return ONE_REGION
    return why_no_evidence(
        class_count=len(model.metadata.classes),
        network_count=member_count(tensor.name for tensor in model.contents.tensors),
        pools="GlobalAveragePool" in model.contents.operators,
    )


def kinship_sentence(explanation: Explanation) -> str:
    """What the nearest training images show, in a sentence."""
    if not explanation.neighbours:
        return ""
    total = len(explanation.neighbours)
    known = (
        f"Of {explanation.known_count:,} images that it has learned from, these look most like this one to the network"
    )
    if explanation.prediction.multi_label:
        said = explanation.prediction.decision or ()
        named = [neighbour.label.split(", ") for neighbour in explanation.neighbours]
        shown = [f"{sum(name in each for each in named)} of the {total} show {visible(name)}" for name in said]
        return f"{known}{': ' if shown else ''}{', '.join(shown)}."
    counted = Counter(neighbour.label for neighbour in explanation.neighbours)
    label, count = counted.most_common(1)[0]
    whose = f"all {total} show" if count == total else f"{count} of the {total} show"
    agrees = "" if label == explanation.prediction.label else ", which is not what the model answered"
    return f"{known}: {whose} {visible(label)}{agrees}."


def _shown_maps(
    maps: Mapping[str, Map], image: NDArray[np.uint8], explanation: Explanation, *, kind: str
) -> tuple[ShownMap, ...]:
    """The maps over the image, all of a kind to one scale."""
    scale = common_scale(maps.values())
    probabilities = dict(
        zip(explanation.prediction.classes, explanation.prediction.probabilities.tolist(), strict=True)
    )
    verbs = {"evidence": "speaks for", "occlusion": "is needed for"}
    return tuple(
        ShownMap(
            label=label,
            picture=draw_heat(image, values, scale=scale),
            text=f"What {verbs[kind]} {visible(label)}: most at the {place_in_words(values)}",
            probability=probabilities[label],
            covered=explanation.covered.get(label) if kind == "occlusion" else None,
        )
        for label, values in maps.items()
    )
