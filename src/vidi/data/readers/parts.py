"""What several readers share: the parts of a split in their many spellings, and the files of a folder by name."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Sequence

PARTS = ("train", "validation", "calibration", "test", "extra")

_SPELLINGS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "dev": "validation",
    "development": "validation",
    "cal": "calibration",
    "calib": "calibration",
    "calibration": "calibration",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "eval": "test",
    "evaluation": "test",
    "holdout": "test",
    "extra": "extra",
}
# `train_set`, `test-images`, `val2017`: what public data sets add to the word.
_ENDING = re.compile(r"[ _-]*(set|data|dataset|images|split|\d{4})?$")


def part_named(text: str) -> str | None:
    """The part that a folder's name or a table's value means; None where it means none.

    >>> part_named("Val"), part_named("train2017"), part_named("training_set"), part_named("trainers")
    ('validation', 'train', 'train', None)
    """
    word = text.strip().casefold()
    if word in _SPELLINGS:
        return _SPELLINGS[word]
    return _SPELLINGS.get(_ENDING.sub("", word, count=1))


def folder_part(path: str) -> str | None:
    """The part that the nearest folder of a part's name gives.

    >>> folder_part("train/images/1.jpg"), folder_part("images/val2017/1.jpg"), folder_part("test.jpg")
    ('train', 'validation', None)
    """
    folders = posixpath.dirname(path).split("/")
    return next((part for folder in reversed(folders) if (part := part_named(folder))), None)


class FileIndex:
    """The files of a source by their paths and by the ends of their paths."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = frozenset(paths)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            self._by_name[posixpath.basename(path)].append(path)

    def find(self, named: str, *, folders: Sequence[str]) -> str | None:
        """The file of that name in one of the folders, else the only one whose path ends so, else None."""
        named = posixpath.normpath(named.replace("\\", "/"))
        for folder in folders:
            path = posixpath.normpath(posixpath.join(folder, named))
            if path in self._paths:
                return path
        ending = [path for path in self._by_name.get(posixpath.basename(named), []) if f"/{path}".endswith(f"/{named}")]
        return ending[0] if len(ending) == 1 else None
