"""The story of `vidi explain`: an image answered, and why.

What speaks for the answer, what happens when parts are covered, and which training images look like it.
"""

from collections.abc import Iterator, Sequence

from vidi.data.inputs import FoundInputs
from vidi.errors import ImageError, UsageError
from vidi.images.account import Account, Entry
from vidi.images.decode import DEFAULT
from vidi.images.limits import DecodeOptions
from vidi.prediction.predictor import Predictor
from vidi.workflows.explaining.image import EVERYTHING, Explained, Wanted, explain_path
from vidi.workflows.interaction.inputs import no_images

MOST_PAGES = 100  # in one go: each takes seconds


def explain_inputs(
    predictor: Predictor,
    found: Sequence[FoundInputs],
    account: Account,
    *,
    wanted: Wanted = EVERYTHING,
    options: DecodeOptions = DEFAULT,
) -> Iterator[Explained]:
    """Explain every image that was found, one answer for each path, in order.

    Args:
        predictor: the loaded model.
        found: what `vidi.data.inputs.find_paths` found.
        account: is filled while the answers are taken.
        wanted: what is to be found out about each.
        options: limits and rules of decoding.

    Raises:
        DataError: no image was found.
        UsageError: too many were found.
    """
    count = sum(len(group.paths) for group in found)
    if not any(group.paths or group.account.refused for group in found):
        raise no_images(found)
    if count > MOST_PAGES:
        raise UsageError(
            f"{count:,} images were found, and each gets a page of its own", f"Name at most {MOST_PAGES} of them."
        )
    for group in found:
        account.ignored.extend(group.account.ignored)
        account.refused.extend(group.account.refused)
        for entry in group.account.refused:
            error = ImageError(entry.code, entry.sentence, "Leave it out, or mend it and try again.")
            yield Explained(path=entry.path, outcome=error)
        for path in group.paths:
            explained = explain_path(predictor, group.store, path, wanted, options)
            if explained.error is not None:
                account.refused.append(Entry(path, explained.error.code, explained.error.cause))
            else:
                account.used += 1
            yield explained
