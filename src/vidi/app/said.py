"""What people said of the images of a gallery: the lines of its labels file as columns, changed in place."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vidi.app.columns import Ints, Rows
from vidi.data.labels import Answer, How, Kind, LabelsFile, Opinion, agreed, is_outside

KINDS: Final = ("", "label", "none", "unclear", "exclude", "copy", "disputed")  # by code; "": nobody said anything
CODE: Final = {name: code for code, name in enumerate(KINDS)}
LEFT_OUT: Final = np.array([name in ("none", "unclear", "exclude", "copy", "disputed") for name in KINDS])  # by code
UNSAID: Final = (0, -1)

Locate = Callable[[str, str], Sequence[int]]  # digest and path of an opinion → rows


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """One line of the file that was not taken back."""

    key: str
    who: str
    kind: Kind
    labels: tuple[str, ...]
    is_bulk: bool
    rows: Rows

    @property
    def answer(self) -> Answer:
        """What it says."""
        return self.kind, self.labels


class Said:
    """What people said of each image: arrays that an answer changes at once, and a file that keeps it before."""

    def __init__(self, file: LabelsFile, who: str, names: list[str]) -> None:
        """
        Args:
            file: where it is kept.
            who: gives the answers that are added here.
            names: of the classes, by index; a new one is appended.
        """
        self.file, self.who, self.names = file, who, names
        self.acts: list[Act] = []
        self.kinds = np.zeros(0, np.uint8)  # (images,) codes of `KINDS`
        self.labels = np.zeros(0, np.int32)  # (images,) class that was said, for the kind `label`; else -1
        self.is_bulk = np.zeros(0, np.bool_)  # (images,) whether the last answer was about many images at once
        self._by_person: dict[str, tuple[NDArray[np.uint8], Ints]] = {}
        self._state: tuple[int, int] | None = None  # of the file when it was read or written last

    def catch_up(self, count: int, locate: Locate, *, again: bool = False) -> bool:
        """Read the file where another process has written to it, and give whether anything was read.

        Args:
            count: of the images.
            locate: finds the rows of an opinion.
            again: read it in any case: the rows are others.
        """
        state = _state_of(self.file.path)
        if state == self._state and not again:
            return False
        self.acts = list(_acts(self.file.opinions(), locate))
        self._state = state
        self.kinds, self.labels = np.zeros(count, np.uint8), np.full(count, -1, np.int32)
        self.is_bulk = np.zeros(count, np.bool_)
        self._by_person = {}
        for act in self.acts:
            self._apply(act, act.rows)
        if len(self._by_person) == 1:
            self._settle(np.flatnonzero(next(iter(self._by_person.values()))[0]))
        elif self._by_person or self.acts:
            self._settle(np.arange(count))
        return True

    def add(self, act: Act, images: Iterable[tuple[str, str]], *, how: How, at: float) -> None:
        """Keep an answer on the disk, then in the arrays.

        Args:
            act: of this person; its key is new.
            images: (digest, path) of each of its rows.
            how: the images were looked at.
            at: seconds since 1970, UTC.
        """
        self.file.add(
            [
                Opinion(
                    key=act.key,
                    digest=digest,
                    at=at,
                    source=act.who,
                    via="review",
                    kind=act.kind,
                    labels=act.labels,
                    path="" if is_outside(path) else path,
                    how=how,
                )
                for digest, path in images
            ]
        )
        self._state = _state_of(self.file.path)
        self.acts.append(act)
        self._apply(act, act.rows)
        self._settle(act.rows)

    def undo(self, *, at: float) -> Rows:
        """Take the last answer of this person back, with all lines that it took; give the rows, none without one."""
        last = next((act for act in reversed(self.acts) if act.who == self.who), None)
        if last is None:
            return np.zeros(0, np.int64)
        answer = last.key.partition("-")[0]
        undone = [act for act in self.acts if act.who == self.who and act.key.partition("-")[0] == answer]
        for act in undone:
            self.file.undo(act.key, who=self.who, at=at)
            self.acts.remove(act)
        self._state = _state_of(self.file.path)
        rows = np.unique(np.concatenate([act.rows for act in undone]))
        self._forget(rows)
        self._settle(rows)
        return rows

    def _forget(self, rows: Rows) -> None:
        """Put back what this person said of these images before."""
        kinds, labels = self._of(self.who)
        kinds[rows], labels[rows] = UNSAID
        self.is_bulk[rows] = False
        left = np.zeros(len(kinds), np.bool_)
        left[rows] = True
        for act in reversed(self.acts):
            if act.who == self.who and act.kind != "copy":
                again = act.rows[left[act.rows]]
                self._apply(act, again)
                left[again] = False
                if not left.any():
                    return

    def _apply(self, act: Act, rows: Rows) -> None:
        """Enter an answer as its person's last one; that a file is a copy is nobody's opinion of the image."""
        if act.kind != "copy":
            kinds, labels = self._of(act.who)
            kinds[rows] = CODE[act.kind]
            labels[rows] = self._index(act.labels[0]) if act.kind == "label" else -1
        self.is_bulk[rows] = act.is_bulk

    def _settle(self, rows: Rows) -> None:
        """Enter what people agree on of these images."""
        persons = list(self._by_person.values())
        if len(persons) == 1:
            kinds, labels = persons[0]
            self.kinds[rows], self.labels[rows] = kinds[rows], labels[rows]
        else:
            self.kinds[rows], self.labels[rows] = UNSAID
            for row in rows.tolist():
                given = [(int(kinds[row]), int(labels[row])) for kinds, labels in persons if kinds[row]]
                if given:
                    self.kinds[row], self.labels[row] = self._agreed(given)
        copies = [act.rows for act in self.acts if act.kind == "copy"]
        if copies:
            is_copy = np.zeros(len(self.kinds), np.bool_)
            is_copy[np.concatenate(copies)] = True
            self.kinds[rows[is_copy[rows]]] = CODE["copy"]

    def _agreed(self, given: Sequence[tuple[int, int]]) -> tuple[int, int]:
        answers: list[Answer] = [(KINDS[kind], (str(label),)) for kind, label in given]  # type: ignore[misc]
        found = agreed(answers)
        return (CODE["disputed"], -1) if found is None else (CODE[found[0]], int(found[1][0]))

    def _of(self, who: str) -> tuple[NDArray[np.uint8], Ints]:
        count = len(self.kinds)
        return self._by_person.setdefault(who, (np.zeros(count, np.uint8), np.full(count, -1, np.int32)))

    def _index(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


def _acts(opinions: Iterable[Opinion], locate: Locate) -> Iterable[Act]:
    """The lines that the opinions came from."""
    for key, of in groupby(opinions, key=lambda one: one.key):
        together = list(of)
        first = together[0]
        rows = [row for one in together for row in locate(one.digest, one.path)]
        yield Act(
            key, first.source, first.kind, first.labels, first.how == "bulk", np.array(sorted(set(rows)), np.int64)
        )


def _state_of(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
