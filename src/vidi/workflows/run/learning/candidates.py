"""The pretrained networks that a run may try: the recipe for each, and which of them there is time for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vidi.networks.catalog import HOSTED, NETWORKS, OF_WINDOWS, PACKAGES, PAIRS, pretrained_in
from vidi.networks.lite import BLOCK_FEATURES, STRIDE
from vidi.networks.pretrained.read import is_at_hand, read_pretrained
from vidi.networks.pretrained.weights import with_weights
from vidi.training.defaults import as_asked, backbone_sizes, recipe_for, window_sizes
from vidi.training.heads.features import choose_feature_engine, feature_rate
from vidi.training.loop.objective import FIXED, InputNormalisation
from vidi.training.recipe import Recipe
from vidi.training.traits import DataTraits
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.run.budget import COMFORTABLE, SOON_DONE, TABLE

AUTO = "auto"  # of the weights that lie in packages, those that win
NONE = "none"  # no weights from elsewhere
IMAGES_FOR_SIZE = 320  # on which the sizes are compared
IMAGES_FOR_WEIGHTS = 500  # on which the weights are compared
ENGINE_IMAGES = 16  # on which the engines are timed
LEAST_FOR_BLOCKS = 500  # images from which the last blocks' maps lower the log loss on every set; of fewer on most
MOST_FOR_PAIRS = 1_500  # images; of more, the features of two networks take too long beside what they gain
MEASURED_AREA = 160 * 128  # pixels, at most, of the images that the speed is measured on
TABLE_AREA = 320 * 224  # pixels, of the images that the table's time for features is about
MOST_SHRUNK = 2  # times, by an estimate alone
SMALLEST_AREA = 64 * 64  # pixels; smaller images tell a backbone nothing


@dataclass(frozen=True, slots=True)
class Candidate:
    """Backbone to try."""

    name: str  # as `read_pretrained` knows it
    size: tuple[int, int]  # (height, width), pixels

    def __str__(self) -> str:
        return f"{self.name} at {self.size[0]}x{self.size[1]}"


def candidates_for(
    source: str, *, usual_size: tuple[int, int], image_size: tuple[int, int] | None, pairs: bool = False
) -> tuple[Candidate, ...]:
    """List the backbones that `--pretrained SOURCE` allows, the quickest first.

    Args:
        usual_size: (height, width) of the images.
        image_size: what the user asked for; None leaves it open.
        pairs: whether two networks side by side are among them.
    """
    fetched = [name for name, hosted in HOSTED.items() if not hosted.of_comparisons]
    known = {*PACKAGES, *fetched, *(PAIRS if pairs else ())}
    names = [name for name in NETWORKS if name in known and is_at_hand(name)] if source == AUTO else [source]
    usual = window_sizes if source in OF_WINDOWS else backbone_sizes
    sizes = usual(usual_size) if image_size is None else (image_size,)
    return tuple(Candidate(name, size) for size in sizes for name in names or list(PACKAGES))


def backbone_recipe(
    candidate: Candidate, traits: DataTraits, *, changes: Mapping[str, object], events: Events = SILENCE
) -> Recipe:
    """Return the recipe for a candidate; the user's `changes` override every rule.

    Its weights are fetched here where they lie on the hub and are not kept yet.
    """
    weights = read_pretrained(candidate.name, on_progress=events.fetching)
    recipe = recipe_for(traits, network=weights.network)
    source = f"the weights of {candidate.name}"
    recipe = recipe.changed(
        {"pretrained": candidate.name, "image_size": candidate.size}, source="default: --pretrained"
    )
    if weights.network in (*pretrained_in("lite"), *PAIRS) and traits.image_count >= LEAST_FOR_BLOCKS:
        reason = f"data: {traits.image_count:,} images"
        recipe = recipe.changed({f"options.{BLOCK_FEATURES}": True}, source=reason)
    return as_asked(recipe.changed({"normalisation": weights.normalisation}, source=source), changes)


class Measure(Protocol):
    """Gives seconds for the features of one image."""

    def __call__(self, name: str, size: tuple[int, int], *, image_count: int) -> float:
        """Return the seconds for one image of this size with these weights, given how many images follow."""


def affordable(
    candidates: Sequence[Candidate],
    *,
    image_count: int,
    seconds_left: float,
    room: float = float("inf"),
    measure: Measure | None = None,
) -> tuple[tuple[Candidate, ...], str]:
    """Return the candidates that fit the remaining time, and why the others do not.

    Args:
        candidates: the usual one first; the others' networks are larger.
        image_count: images whose features are wanted.
        seconds_left: until the whole run must have ended.
        room: seconds of an idle computer that the features of few images may take; these are estimated, for measuring
            would take as long.
        measure: gives seconds for the features of one image; measured here when left out.

    Returns:
        Some of the candidates, or the first one at a smaller size; and a sentence, empty where nothing was left out.
    """
    if seconds_left > COMFORTABLE * image_count or image_count <= SOON_DONE:
        return _by_table(candidates, image_count=image_count, room=room)
    first, most = candidates[0], TABLE["features"].share * seconds_left
    measure = measure or _seconds_per_image
    seconds = {first.name: measure(first.name, first.size, image_count=image_count)}

    def cost(one: Candidate, images: int = image_count) -> float:
        return images * seconds[one.name] * _area(one) / _area(first)

    if cost(first) <= most:  # else the others, whose networks are larger, are not worth a look
        for name in dict.fromkeys(one.name for one in candidates):
            parts = PAIRS.get(name, ())
            if parts and all(part in seconds for part in parts):
                seconds[name] = sum(seconds[part] for part in parts)
            elif name not in seconds:
                seconds[name] = measure(name, first.size, image_count=image_count)
    fitting = [one for one in candidates if one.name in seconds and cost(one) <= most]
    if not fitting:
        fitting = [_shrunk(first, cost(first) / max(most, 1e-3))]
    # Two networks side by side are tried by the features of each.
    tried = [one for one in fitting if one.name not in PAIRS]
    trials = sum(cost(one, min(image_count, max(IMAGES_FOR_SIZE, IMAGES_FOR_WEIGHTS) // 2)) for one in tried)
    if trials > TABLE["comparing backbones"].share * seconds_left:
        fitting = fitting[:1]
    if len(fitting) == len(candidates):
        return tuple(candidates), ""
    return tuple(fitting), (
        f"Short on time: {image_count:,} images take about {cost(first):.0f} s with {first}, and "
        f"{max(seconds_left, 0):.0f} s are left. Trying only {', '.join(map(str, fitting))}."
    )


def _by_table(candidates: Sequence[Candidate], *, image_count: int, room: float) -> tuple[tuple[Candidate, ...], str]:
    """The candidates, or the first one at up to half the area, by the table's time for features of an image.

    An estimate is not worth more than that: smaller images cost accuracy, and a late end only time.
    """
    first, table = candidates[0], TABLE["features"]
    seconds = table.per_image * image_count * _area(first) / TABLE_AREA
    room = max(room - table.seconds, 1e-3)
    smaller = first if seconds <= room else _shrunk(first, min(seconds / room, MOST_SHRUNK))
    if smaller == first:
        return tuple(candidates), ""
    usual = f"{first.size[0]}x{first.size[1]}"
    return (smaller,), f"Short on time on this busy computer: trying only {smaller}, not {usual}."


def _area(candidate: Candidate) -> int:
    return candidate.size[0] * candidate.size[1]


def _shrunk(candidate: Candidate, times_too_slow: float) -> Candidate:
    """The candidate at a smaller size that costs less by about this factor, in steps of 32 pixels."""
    height, width = candidate.size
    scale = min(1.0, max(1 / times_too_slow, SMALLEST_AREA / _area(candidate)) ** 0.5)
    shrunk = max(STRIDE, STRIDE * int(height * scale / STRIDE))
    return Candidate(candidate.name, (shrunk, max(STRIDE, STRIDE * round(shrunk * width / height / STRIDE))))


def _seconds_per_image(name: str, size: tuple[int, int], *, image_count: int) -> float:
    """A feature's time by the fastest engine; what the images show does not matter.

    It is measured on smaller images, since the measuring itself counts, and grows with the area.
    """
    weights = read_pretrained(name)
    whole = Candidate(name, size)
    tried = _shrunk(whole, _area(whole) / MEASURED_AREA) if _area(whole) > MEASURED_AREA else whole
    network = with_weights(weights, image_size=tried.size, class_count=2).eval().requires_grad_(False)
    images = np.random.default_rng(0).integers(0, 256, (ENGINE_IMAGES, *tried.size, 3), dtype=np.uint8)
    normalisation = InputNormalisation(*FIXED.get(weights.normalisation, FIXED["symmetric"]))
    engine, _ = choose_feature_engine(network, images, normalisation, image_count=image_count)
    return _area(whole) / _area(tried) / feature_rate(network, images, normalisation, engine=engine)
