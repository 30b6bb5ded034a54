"""Answers of a finished model: what stands in their way, in lines for the terminal."""

from collections.abc import Mapping, Sequence

from vidi.evaluation.match import listed
from vidi.report.words.counting import count_of

NO_CLASS_FOR_NOTHING = (
    "hint: the model has no class for “nothing”, so it assigns every window to one of its classes and many boxes are "
    "wrong. Train it with a class `background`, look for one class (--class NAME), or raise the limit (--least 0.95)"
)
ONE_BOX_EACH = (
    "the model has no class for “nothing”, so each image gets one box, around what speaks for its answer. To search "
    "for several objects, train with a class `background`, or try --by windows: many of its boxes will be wrong"
)
SAME_MODEL = "both are the same model file"
SAME_MODEL_STORED = "both are answers of the same model file"
NOT_BOTH = "At least one of the models does not know its class."


def no_neighbours(cause: str) -> str:
    """Why an explanation shows no training images."""
    return f"nearest training images are not shown: {cause}"


def no_pictures(cause: str) -> str:
    """Why a page shows no images."""
    return f"the page shows no images: {cause}"


def known_to_one(model: str, names: Sequence[str], *, several: bool) -> str:
    """Which classes only one of two compared models knows.

    Args:
        model: its name.
        names: the classes.
        several: images may show several classes.
    """
    follows = "its answers about them are ignored" if several else "predicting one of them counts as wrong here"
    if len(names) == 1:
        follows = "its answers about it are ignored" if several else "predicting it counts as wrong here"
    return f"only {model} knows {listed(names)}: {follows}"


def skipped_classes(counts: Mapping[str, int]) -> str:
    """How many images of which classes are skipped because only one model, or none, knows them.

    >>> skipped_classes({"moss": 8})
    '8 images skipped: at least one model does not know their class (moss 8)'
    """
    shown = listed([f"{name} {count:,}" for name, count in counts.items()])
    return f"{_skipped(sum(counts.values()))} ({shown})"


def skipped_images(count: int) -> str:
    """The same where only their number is known."""
    return _skipped(count)


def _skipped(count: int) -> str:
    its = "its" if count == 1 else "their"
    return f"{count_of(count, 'image')} skipped: at least one model does not know {its} class"


def training_unknown(model: str) -> str:
    """That a compared model stands alone."""
    return f"{model} is not in its run folder: vidi cannot tell which images it was trained on"


def written(path: str) -> str:
    """Which file was written; escaped."""
    return f"written: {path}"


def page_at(path: str) -> str:
    """Where the page is; escaped."""
    return f"page: {path}"
