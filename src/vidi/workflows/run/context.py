"""What the steps of a run share besides the data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vidi.data.cache import PixelCache, cache_folder
from vidi.training.heads.features import Embedder, embed_here
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.run.budget import UNLIMITED, Budget, Stopwatch


def never() -> bool:
    """Nobody asks for an end."""
    return False


def open_cache() -> PixelCache:
    """Open the cache of decoded pixels."""
    return PixelCache(cache_folder())


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Output folder, time, stop signal and listener of a run, as one value for all steps."""

    folder: Path  # the run's own
    budget: Budget = UNLIMITED  # for everything
    should_stop: Callable[[], bool] = never  # asked between steps
    finish: bool = False  # train no more: only calibrate, test and report
    embed: Embedder = embed_here  # computes the features of pretrained networks
    events: Events = SILENCE
    watch: Stopwatch = field(default_factory=Stopwatch)
    cache: PixelCache = field(default_factory=open_cache)  # knows which entries this run has used

    def __post_init__(self) -> None:
        self.cache.go_on = self.events.say  # a cache that cannot be written never stops a training
