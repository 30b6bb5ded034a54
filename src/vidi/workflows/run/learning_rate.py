"""`--find-lr`: find a learning rate for this network and these images, with a drawing."""

import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vidi.errors import UsageError
from vidi.figures.drawing import side_by_side
from vidi.figures.training import draw_rate_range
from vidi.files import escape_path
from vidi.networks.build import build_network
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.pretrained.weights import begin_with
from vidi.training.rate_range import RateRange, find_rate
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.stopping import stop_on_signal
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.learning.learn import training_data
from vidi.workflows.run.plan import find_candidates, find_ladder
from vidi.workflows.run.prepare import check_images, open_cache, split_images
from vidi.workflows.run.read import find_images
from vidi.workflows.run.recipes import choose_recipe


@dataclass(frozen=True, slots=True)
class FoundRate:
    """Result of the range test."""

    rates: RateRange
    network: str
    usual: float  # what the recipe would have taken

    @property
    def sentence(self) -> str:
        """Return the result in words."""
        if self.rates.suggested is None:
            return f"the loss of {self.network} fell at no learning rate in this short test"
        rate = self.rates.suggested
        fastest = f"falls fastest at a learning rate of {rate:g} (usual here: {self.usual:g})"
        return f"the loss of {self.network} {fastest}; try: --lr {rate:g}"


def write_rate_range(request: TrainRequest, path: Path, *, events: Events = SILENCE) -> FoundRate:
    """Run the range test on the training images, and draw it.

    Args:
        request: as for `train`; nothing is trained to the end.
        path: of an SVG.
        events: receives progress and messages.

    Raises:
        UsageError, DataError, ResourceError: as `train`.
    """
    if path.suffix.lower() != ".svg":
        raise UsageError(f"--find-lr {escape_path(path)} is not an SVG file", "Name a file such as rates.svg.")
    found = find_images(request.data)
    traits = found.traits
    ladder = find_ladder(request, traits)
    is_pretrained = "fine-tune" in ladder.rungs
    candidates = find_candidates(request, traits) if is_pretrained else ()
    recipe = choose_recipe(request, traits, candidates, events=events)
    with tempfile.TemporaryDirectory(prefix="vidi-") as place:
        checked = check_images(
            found,
            image_size=recipe.image_size,
            cache=open_cache(events),
            workers=request.workers,
            events=events,
        )
        images = split_images(checked, Path(place))
    data = training_data(images)
    if is_pretrained:
        weights = read_pretrained(recipe.pretrained)
        network = build_network(
            weights.network, image_size=recipe.image_size, class_count=data.class_count, options=recipe.options
        )
        begin_with(network, weights)  # the head for these classes stays as it was drawn
        data = replace(data, initial=lambda _: network.state_dict())
    with stop_on_signal() as should_stop:
        on_step = partial(events.count, "trying learning rates, step")
        rates = find_rate(data, recipe, on_step=on_step, should_stop=should_stop)
    side_by_side([draw_rate_range(rates.rates, rates.losses, suggested=rates.suggested)]).save(path)
    return FoundRate(rates=rates, network=recipe.network, usual=recipe.learning_rate)
