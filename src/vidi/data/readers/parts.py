"""The parts of a split that a user made, in their many spellings."""

import posixpath
import re

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
