"""A data set joined with labelled images from use (feedback), read as one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vidi.data.dataset import NEWEST, Dataset, LabelledImage
from vidi.errors import DataError, ImageError
from vidi.files import digest_of, escape_path
from vidi.images.account import Account, Entry
from vidi.images.store import ImageStore, stamp_within

_PREFIX = re.compile(r"feedback-([0-9]+):")  # of the paths of feedback, so that none is taken for one of the data set
SAID_AGAIN = ("labelled-again", "A later source of feedback gives the same image a label.")


def is_feedback_path(path: str) -> bool:
    """Whether a path of a joined data set is one of feedback.

    >>> is_feedback_path("feedback-1:cat/7.jpg"), is_feedback_path("cat/7.jpg")
    (True, False)
    """
    return _PREFIX.match(path) is not None


def path_at_source(path: str) -> str:
    """The path that an image of a joined data set has in its own source.

    >>> path_at_source("feedback-1:cat/7.jpg"), path_at_source("cat/7.jpg")
    ('cat/7.jpg', 'cat/7.jpg')
    """
    return _PREFIX.sub("", path, count=1)


@dataclass(frozen=True, slots=True)
class JoinedStore:
    """Several stores; paths that begin with `feedback-1:` are those of the first source of feedback, and so on."""

    first: ImageStore
    others: tuple[ImageStore, ...]

    def read(self, path: str) -> bytes:
        """The bytes of one encoded image file.

        Raises:
            ImageError: the file cannot be read.
        """
        store, own = self._place(path)
        return store.read(own)

    def stamp(self, path: str) -> str:
        """What the file's own store knows of it."""
        return stamp_within(*self._place(path))

    def _place(self, path: str) -> tuple[ImageStore, str]:
        found = _PREFIX.match(path)
        return (self.first, path) if found is None else (self.others[int(found[1]) - 1], path[found.end() :])


def join_feedback(dataset: Dataset, sources: Sequence[Dataset]) -> Dataset:
    """A data set and feedback as one data set; classes that only the feedback has come last.

    Of files with the same bytes in several sources, the one of the last source counts. Where the data set brings a
    split of its own, the feedback counts to `train`, from which vidi cuts other parts.

    Args:
        sources: feedback, the oldest first; labels of the same kind. Of their own parts only `train` beside others
            means something: such images are learned from, and never held back. Nor are those of a source after which
            enough others came.

    Raises:
        DataError: a path of the data set begins like those of feedback.
    """
    taken = next((image.path for image in dataset.images if is_feedback_path(image.path)), None)
    if taken is not None:
        raise DataError(f"{dataset.source}: {escape_path(taken)} begins as the paths of feedback do", "Rename it.")
    joined, latest = dataset, _latest(sources)
    for number, (source, kept) in enumerate(zip(sources, latest, strict=True), start=1):
        later = sum(image.part != "train" for images in latest[number:] for image in images)
        joined = _with_source(joined, source, kept, f"feedback-{number}:", is_old=later >= NEWEST)
    return replace(joined, store=JoinedStore(dataset.store, tuple(source.store for source in sources)))


def _latest(sources: Sequence[Dataset]) -> list[tuple[LabelledImage, ...]]:
    """The images of each source whose bytes no later source has."""
    if len(sources) == 1:
        return [sources[0].images]
    kept, later = list[tuple[LabelledImage, ...]](), set[str | None]()
    for source in reversed(sources):
        digests = {image.path: digest_in(source.store, image.path) for image in source.images}
        kept.append(tuple(image for image in source.images if digests[image.path] not in later))
        later |= set(digests.values()) - {None}
    return kept[::-1]


def _with_source(
    dataset: Dataset, source: Dataset, kept: Sequence[LabelledImage], prefix: str, *, is_old: bool
) -> Dataset:
    classes = (*dataset.classes, *(name for name in source.classes if name not in dataset.classes))
    number = {index: classes.index(name) for index, name in enumerate(source.classes)}
    part = "train" if any(image.part is not None for image in dataset.images) else None
    added = (
        replace(
            image,
            path=prefix + image.path,
            labels=frozenset(number[label] for label in image.labels),
            part=part,
            boxes=(),
            is_feedback=True,
            is_for_learning=is_old or image.part == "train",
        )
        for image in kept
    )
    paths = {image.path for image in kept}
    again = [Entry(image.path, *SAID_AGAIN) for image in source.images if image.path not in paths]
    account = replace(source.account, used=len(kept), set_aside=[*source.account.set_aside, *again])
    return replace(
        dataset,
        classes=classes,
        images=(*dataset.images, *added),
        account=_joined(dataset.account, account, prefix),
        notes=(*dataset.notes, *source.notes),
    )


def digest_in(store: ImageStore, path: str) -> str | None:
    """SHA-256 of a file of a store; None where it cannot be read."""
    try:
        return digest_of(store.read(path))
    except ImageError:
        return None  # the check that follows names it


def _joined(first: Account, second: Account, prefix: str) -> Account:
    def named(entries: Iterable[Entry]) -> list[Entry]:
        return [replace(entry, path=prefix + entry.path) for entry in entries]

    return Account(
        first.used + second.used,
        [*first.set_aside, *named(second.set_aside)],
        [*first.refused, *named(second.refused)],
        [*first.ignored, *named(second.ignored)],
    )
