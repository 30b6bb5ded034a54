"""`vidi locate`: boxes in images, and the drawings, page and COCO file that it writes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from vidi.data.inputs import find_paths
from vidi.images.account import Account
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.stopping import stop_on_signal, until_stopped
from vidi.workflows.locating.kept import keep_located, looked_for, plan_folder, write_found
from vidi.workflows.locating.output import write_json, write_lines
from vidi.workflows.locating.search import LocatedImage, finder, locate_inputs
from vidi.workflows.requests.model_file import LocatedFiles, LocateRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class LocateOutputs(LocatedFiles):
    """Which files a search writes besides its lines or document."""

    as_json: bool = False  # one document on the stream; else lines for people


def search_images(
    predictor: Predictor,
    request: LocateRequest,
    inputs: Sequence[str],
    *,
    wanted: LocateOutputs,
    stream: TextIO,
    watch: Callable[[Iterator[LocatedImage], int], Iterator[LocatedImage]] = lambda found, _: found,
    events: Events = SILENCE,
) -> Account:
    """Search and print each image in turn; a first Ctrl-C ends it in good order.

    Args:
        predictor: the loaded model.
        request: how to search.
        inputs: files, folders, patterns, archives, as the user named them.
        wanted: what is left behind.
        stream: where the lines or the document go.
        watch: sees each image pass, and receives their number.
        events: receives progress and messages.

    Returns:
        What became of every path; `set_aside` holds those that were not reached.

    Raises:
        UsageError: a class, a number or the output folder is wrong.
        DataError: the inputs hold no image.
        ModelError: evidence was asked for of a model that has none.
        ResourceError: something cannot be written; what was written before is whole.
    """
    account, kept, find = Account(), list[LocatedImage](), finder(predictor, request)
    groups = find_paths(inputs)
    paths = [path for group in groups for path in group.paths]
    places = {} if wanted.output is None else plan_folder(wanted.output, groups, inputs)
    drawn = bool(places) and wanted.images
    with stop_on_signal() as should_stop:
        found = locate_inputs(find, groups, account, keep_images=drawn)
        found = until_stopped(found, should_stop, paths=paths, account=account)
        found = watch(keep_located(found, kept, places=places, with_images=drawn), len(paths))
        try:
            if wanted.as_json:
                write_json(found, stream, model=predictor.model, account=account)
            else:
                write_lines(found, stream)
        finally:  # also what was found until an error came
            if kept:
                missed = len(set(paths).difference(one.path for one in kept))
                looked = looked_for(predictor, request, not_reached=missed)
                write_found(kept, looked, predictor.model, output=wanted.output, coco=wanted.coco, events=events)
    return account
