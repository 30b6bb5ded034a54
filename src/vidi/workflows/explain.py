"""`vidi explain`: each image is classified and explained on a page of its own, with lines or one document.

`explaining/image.py` explains one image: what speaks for the answer, what happens when parts are covered, and which
training images look like it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from vidi.data.inputs import FoundInputs, find_paths
from vidi.errors import UsageError
from vidi.images.account import Account, Entry
from vidi.prediction.predictor import Predictor
from vidi.workflows.explaining.image import EVERYTHING, Explained, ExplanationParts, explain_path
from vidi.workflows.explaining.pages import explanation_line, explanations_document, write_pages
from vidi.workflows.interaction.inputs import each_group, refusal
from vidi.workflows.interaction.stopping import stop_on_signal, until_stopped
from vidi.workflows.requests.model_file import ExplainedPages

MOST_PAGES = 100  # in one go: each takes seconds


def explain_images(
    predictor: Predictor,
    inputs: Sequence[str],
    pages: ExplainedPages,
    *,
    wanted: ExplanationParts,
    stream: TextIO,
    as_json: bool = False,
    watch: Callable[[Iterator[Explained], int], Iterator[Explained]] = lambda explained, _: explained,
) -> Account:
    """Write a page for every image; a first Ctrl-C ends it in good order.

    Args:
        as_json: one document; else lines for people.

    Returns:
        What became of every path; `set_aside` holds those that were not reached.

    Raises:
        DataError: no image was found.
        UsageError: too many were found, or a page would replace a file that vidi has not written.
        ResourceError: a page cannot be written.
    """
    account, found = Account(), find_paths(inputs)
    paths = [path for group in found for path in group.paths]
    with stop_on_signal() as should_stop:
        explained = explain_inputs(predictor, found, account, wanted=wanted)
        explained = watch(until_stopped(explained, should_stop, paths=paths, account=account), len(paths))
        written = write_pages(explained, found, predictor.model, folder=pages.output, with_images=pages.images)
        if as_json:
            stream.write(json.dumps(explanations_document(list(written), predictor.model, account)) + "\n")
        else:
            for page in written:
                stream.write(explanation_line(page) + "\n")
                stream.flush()
    return account


def explain_inputs(
    predictor: Predictor,
    found: Sequence[FoundInputs],
    account: Account,
    *,
    wanted: ExplanationParts = EVERYTHING,
) -> Iterator[Explained]:
    """Explain every image that was found; one result per path, in order.

    Raises:
        DataError: no image was found.
        UsageError: too many were found.
    """
    count = sum(len(group.paths) for group in found)
    if count > MOST_PAGES:
        raise UsageError(
            f"{count:,} images were found, and each gets its own page", f"Name at most {MOST_PAGES} of them."
        )
    for group in each_group(found, account):
        yield from (Explained(path=entry.path, outcome=refusal(entry)) for entry in group.account.refused)
        for path in group.paths:
            explained = explain_path(predictor, group.store, path, wanted)
            if explained.error is not None:
                account.refused.append(Entry(path, explained.error.code, explained.error.cause))
            else:
                account.used += 1
            yield explained
