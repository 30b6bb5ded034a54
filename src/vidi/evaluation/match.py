"""The classes of a model matched to those of a data set by name."""

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError
from vidi.files import escape_path

MOST_NAMES_SHOWN = 20
ALIKE = 0.75  # of two names that are proposed as one class


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """Which of the model's classes each class of the data is."""

    names: tuple[str, ...]  # for each class of the data its name as the model says it, or its own where foreign
    absent: tuple[str, ...]  # classes of the model without images: no data
    foreign: tuple[str, ...]  # classes of the data that the model lacks: should be `unknown`

    @classmethod
    def of_same(cls, classes: Sequence[str]) -> Self:
        """The match of data whose classes bear the model's names."""
        return cls(tuple(classes), (), ())

    def targets(self, model_classes: Sequence[str], labels: Sequence[frozenset[int]]) -> NDArray[np.bool_]:
        """(images, model's classes) bool: which of the model's classes each image shows.

        Args:
            labels: of each image, indexes into the data set's classes.
        """
        shown = np.zeros((len(labels), len(model_classes)), np.bool_)
        for row, each in enumerate(labels):
            shown[row] = np.isin(model_classes, [self.names[label] for label in each])
        return shown


def match_classes(model_classes: Sequence[str], data_classes: Sequence[str], *, names: str | None = None) -> ClassMatch:
    """Match classes by name.

    Args:
        data_classes: names in the data set; every one of them may be there, or not.
        names: how the data's classes were renamed, `kitten=cat`; a model that lacks the new name may have the old one.

    Raises:
        DataError: no name in common; both lists are shown.
    """
    known = set(model_classes)
    pairs = [pair.partition("=") for pair in (names or "").split(",")]
    before = {new.strip(): old.strip() for old, _, new in pairs if old.strip() in known}
    matched = tuple(name if name in known else before.get(name, name) for name in data_classes)
    if not known.intersection(matched):
        raise DataError(
            f"no class in common: the data has {listed(data_classes)}, the model has {listed(model_classes)}",
            _proposed_rename(model_classes, data_classes),
        )
    return ClassMatch(
        names=matched,
        absent=tuple(name for name in model_classes if name not in matched),
        foreign=tuple(name for name in matched if name not in known),
    )


def _proposed_rename(model_classes: Sequence[str], data_classes: Sequence[str]) -> str:
    """What to do where no name is common: a rename, ready for the shell, where two names are alike."""
    folded = {name.casefold(): name for name in model_classes}
    for name in data_classes:
        for near in difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=ALIKE):
            pair = f"{name}={folded[near]}"
            if pair.isprintable() and pair.count("=") == 1 and "," not in pair:
                return f"If both are one class: --names {shlex.quote(pair)}"
    return "Use images of the model's classes, or rename one that is the same: --names NAME_IN_DATA=NAME_IN_MODEL"


def listed(names: Sequence[str]) -> str:
    """The first names, safe on a terminal, and how many more there are."""
    shown = ", ".join(map(escape_path, names[:MOST_NAMES_SHOWN]))
    return f"{shown} and {len(names) - MOST_NAMES_SHOWN:,} more" if len(names) > MOST_NAMES_SHOWN else shown
