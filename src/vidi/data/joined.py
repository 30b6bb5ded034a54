"""A data set joined with labelled images from use (feedback), read as one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vidi.data.dataset import Dataset
from vidi.errors import DataError
from vidi.files import escape_path
from vidi.images.account import Account, Entry
from vidi.images.store import ImageStore

PREFIX = "feedback:"  # of the paths of the feedback, so that none is taken for an image of the data set


@dataclass(frozen=True, slots=True)
class JoinedStore:
    """Two stores; paths that begin with `feedback:` are the second one's."""

    first: ImageStore
    second: ImageStore

    def read(self, path: str) -> bytes:
        """The bytes of one encoded image file.

        Raises:
            ImageError: the file cannot be read.
        """
        if path.startswith(PREFIX):
            return self.second.read(path.removeprefix(PREFIX))
        return self.first.read(path)


def join_feedback(dataset: Dataset, feedback: Dataset) -> Dataset:
    """Both as one data set; classes that only the feedback has come last.

    Where the data set brings a split of its own, the feedback counts to `train`, from which vidi cuts other parts.

    Args:
        dataset: the old data.
        feedback: the same kind of labels; its own parts are not looked at.

    Raises:
        DataError: a path of the data set begins like those of feedback.
    """
    taken = next((image.path for image in dataset.images if image.path.startswith(PREFIX)), None)
    if taken is not None:
        raise DataError(
            f"{dataset.source}: {escape_path(taken)} begins with {PREFIX!r}, as the paths of feedback do",
            "Rename the folder.",
        )
    classes = (*dataset.classes, *(name for name in feedback.classes if name not in dataset.classes))
    number = {index: classes.index(name) for index, name in enumerate(feedback.classes)}
    has_parts = any(image.part is not None for image in dataset.images)
    added = tuple(
        replace(
            image,
            path=PREFIX + image.path,
            labels=frozenset(number[label] for label in image.labels),
            part="train" if has_parts else None,
            boxes=(),
            is_feedback=True,
        )
        for image in feedback.images
    )
    return replace(
        dataset,
        classes=classes,
        images=(*dataset.images, *added),
        store=JoinedStore(dataset.store, feedback.store),
        account=_joined(dataset.account, feedback.account),
        notes=(*dataset.notes, *feedback.notes),
    )


def _joined(first: Account, second: Account) -> Account:
    def named(entries: Iterable[Entry]) -> list[Entry]:
        return [replace(entry, path=PREFIX + entry.path) for entry in entries]

    return Account(
        first.used + second.used,
        [*first.set_aside, *named(second.set_aside)],
        [*first.refused, *named(second.refused)],
        [*first.ignored, *named(second.ignored)],
    )
