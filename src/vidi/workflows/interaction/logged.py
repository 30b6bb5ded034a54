"""Progress and messages in Python's log: `logging.basicConfig(level="INFO")` shows them."""

import logging
import math
from typing import TYPE_CHECKING

from vidi.numbers import percent
from vidi.workflows.interaction.events import (
    BytesFetched,
    Event,
    Events,
    FeaturesComputed,
    ImagesRead,
    Message,
    StepDone,
)

if TYPE_CHECKING:
    from vidi.training.loop.progress import Progress

LOG = logging.getLogger("vidi")


def logged_events() -> Events:
    """What writes to the log `vidi`: messages, a line for each epoch, and one at the end of a count of images."""
    epoch = 0

    def tell(event: Event) -> None:
        nonlocal epoch
        match event:
            case Message(sentence):
                LOG.info("%s", sentence)
            case ImagesRead(done, total) if done == total:
                LOG.info("read %s images", f"{total:,}")
            case BytesFetched(what, done, total) if done == total:
                LOG.info("fetched %s", what)
            case FeaturesComputed(done, total) if done == total:
                LOG.info("computed the features of %s images", f"{total:,}")
            case StepDone(progress) if progress.epoch != epoch or progress.step == progress.steps:
                epoch = progress.epoch
                LOG.info("%s", _epoch_line(progress))

    return Events(tell)


def _epoch_line(progress: "Progress") -> str:
    validation = ""
    if progress.validation_accuracy is not None:
        validation = f", validation {percent(progress.validation_accuracy, digits=1)}"
    return (
        f"epoch {progress.epoch} of {math.ceil(progress.epochs)}: loss {progress.loss:.3f}, accuracy "
        f"{percent(progress.accuracy, digits=1)}{validation}, {progress.images_per_second:,.0f} images/s"
    )
