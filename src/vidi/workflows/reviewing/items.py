"""What a reviewer is shown of an image, and the data set that a review has settled."""

import contextlib
import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, Protocol

from vidi.data.labels import Answer, Opinion
from vidi.data.readers.class_folders import UNKNOWN
from vidi.errors import ImageError, UsageError
from vidi.files import (
    TEMPORARY_PREFIX,
    escape_path,
    folder_name,
    write_atomic,
    writing_error,
)
from vidi.images.decode import read_header
from vidi.images.formats.registry import FORMATS
from vidi.labelling import ModelView, Settled
from vidi.model_file.limits import Verdict
from vidi.numbers import count_of

if TYPE_CHECKING:
    from vidi.log.store import PredictionLog

TABLE, IMAGES = "images.jsonl", "images"  # of a data set whose images may show several classes
UNREADABLE = "not kept"  # why a labelled image is not in the data set: its file is gone
Occasion = Literal[  # why an image is to be reviewed, in this order: what its check finds, or what a log says of it
    "conflicting-labels",
    "suspect-labels",
    "exact-copies",
    "blank",
    "dark",
    "bright",
    "blurred",
    "tiny",
    "no-label",
    "near-copies",  # a note, as the next: many sets have them by nature
    "odd-shape",
    "uncertain",
]
SHORT = 16  # digits of a digest that name an image


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFile:
    """One image with its label."""

    name: str  # of its file
    answer: Answer
    data: bytes | None  # its bytes; None where they are gone
    is_confirmed: bool = True  # by people; else the label is the one that the data gives
    part: str = ""  # a folder above that of its class: `train` or `test`; none where empty


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedLabels:
    """What was written."""

    folder: Path
    image_count: int
    confirmed_count: int  # of these, with a label that people confirmed; the others keep theirs
    classes: Mapping[str, int]  # images of each class; those of none under `_unknown`
    left_out: Mapping[str, int]  # why images are not in it, and how many

    def summary(self) -> Iterator[str]:
        """Give the result line by line, for a terminal."""
        unchanged = self.image_count - self.confirmed_count
        kept = f", {unchanged:,} unchanged" if unchanged else ""
        images = count_of(self.image_count, "image")
        yield f"{escape_path(self.folder)}: {images}, {self.confirmed_count:,} confirmed by people{kept}"
        for name, count in self.classes.items():
            yield f"  {escape_path(name)}: {count:,}"
        for reason, count in self.left_out.items():
            yield f"left out: {count:,} ({reason.replace('-', ' ')})"

    def as_json(self) -> dict[str, object]:
        """Return the document that `vidi review --export --json` prints."""
        return {
            "folder": escape_path(self.folder),
            "images": self.image_count,
            "confirmed": self.confirmed_count,
            "unchanged": self.image_count - self.confirmed_count,
            "classes": dict(self.classes),
            "left_out": dict(self.left_out),
        }


def write_labelled(
    folder: Path, files: Iterable[LabelledFile], *, left_out: Mapping[str, int], multi_label: bool = False
) -> ExportedLabels:
    """Write a data set that `vidi check` and `vidi train` read; it appears whole or not at all.

    Args:
        folder: a new one.
        files: images of one class each, in class folders, or of none: those go to `_unknown`.
        left_out: images without a label, by reason; read when all files were given.
        multi_label: an image may show several classes, or none: they stand in `images.jsonl` beside the images.

    Raises:
        UsageError: the folder exists, or an image has several classes, which no class folder can say.
        ResourceError: it cannot be written.
    """
    if os.path.lexists(folder):
        raise UsageError(f"{escape_path(folder)} exists", "Name a new folder; nothing is ever written into an old one.")
    temporary = folder.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    classes, gone, confirmed, lines = Counter[str](), 0, 0, list[str]()
    try:
        temporary.mkdir(parents=True)
        for file in files:
            if file.data is None:
                gone += 1
                continue
            confirmed += file.is_confirmed
            if multi_label:
                lines.append(_write_listed(temporary, file, file.data))
                classes.update(file.answer[1] or (UNKNOWN,))
                continue
            name = _class_of(file)
            place = temporary / file.part / (name if name == UNKNOWN else folder_name(name))
            _write_beside(place, file.name, file.data)
            classes[name] += 1
        if lines:
            write_atomic(temporary / TABLE, "".join(lines))
        os.rename(temporary, folder)
    except OSError as error:
        raise writing_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return ExportedLabels(
        folder=folder,
        image_count=len(lines) or classes.total(),
        confirmed_count=confirmed,
        classes=dict(sorted(classes.items())),
        left_out={**left_out, **({UNREADABLE: gone} if gone else {})},
    )


def _class_of(file: LabelledFile) -> str:
    kind, labels = file.answer
    if kind == "none":
        return UNKNOWN
    if len(labels) != 1:
        raise UsageError(
            f"{file.name} shows {', '.join(labels)}, and a class folder says one class",
            "Review with a model whose images show one class each, or one that was trained with --multi-label.",
        )
    return labels[0]


def _write_listed(folder: Path, file: LabelledFile, data: bytes) -> str:
    """Write an image, and give its line of the table; a list without names says that it shows none of the classes."""
    written = _write_beside(folder / IMAGES, file.name, data)
    row = {"path": f"{IMAGES}/{written.name}", "label": list(file.answer[1])}
    return json.dumps({**row, "split": file.part} if file.part else row) + "\n"


def _write_beside(folder: Path, name: str, data: bytes) -> Path:
    """Write a file under a name that nothing has yet, and give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    plain, number = PurePosixPath(folder_name(name)), 1
    target = folder / plain.name
    while target.exists():
        number += 1
        target = folder / f"{plain.stem}-{number}{plain.suffix}"
    target.write_bytes(data)
    return target


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """One of several files that hold the same image, or nearly the same."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReviewItem:
    """One image to be reviewed, or several files of which one may be enough."""

    digest: str  # SHA-256 of the file's bytes, hex; of several files a name of their own
    name: str  # what the page calls it: its path, or a few digits
    occasion: Occasion
    given: tuple[str, ...] = ()  # the labels that it has in the data
    verdict: Verdict | None = None  # of the model
    candidates: tuple[str, ...] = ()
    view: ModelView | None = None  # None where no model was asked, or the image could not be used
    suggested: tuple[tuple[str, ...], float] | None = None  # by a network that did not learn from it, with probability
    copies: int = 0  # exact and near-duplicates, which are not shown
    files: tuple[CopiedFile, ...] = ()  # copies of one another, that which should stay first; else none

    @property
    def shown(self) -> tuple[str, ...]:
        """The digests of the images that the page shows."""
        return tuple(dict.fromkeys(one.digest for one in self.files)) or (self.digest,)


class ReviewSource(Protocol):
    """Images to review, in an order, and a place for opinions. Safe to use from several threads."""

    @property
    def title(self) -> str:
        """What is reviewed, for people."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the model's probabilities."""

    @property
    def multi_label(self) -> bool:
        """Whether an image may show several classes, or none."""

    def items(self) -> Sequence[ReviewItem]:
        """Images to review, the most informative first."""

    def image(self, digest: str) -> bytes | None:
        """The bytes of an image file; None where it is gone."""

    def opinions(self) -> Sequence[Opinion]:
        """Everything that was said so far, by anybody."""

    def add(self, opinions: Sequence[Opinion]) -> None:
        """Keep what one answer says of one image or several; it is on the disk when this returns.

        One whose key is there already is no other one. An opinion without a path is about all files with its digest.
        """

    def undo(self, key: str, *, who: str, at: float) -> None:
        """Take an opinion back."""

    def claim(self, digest: str, claimant: str, *, until: float, now: float) -> bool:
        """Take an image, so that nobody else is shown it until a time; False where another has it."""

    def release(self, digest: str, claimant: str) -> None:
        """Give a claim up."""


def write_settled(
    log: "PredictionLog",
    settled: Sequence[Settled],
    target: Path,
    *,
    held_back: Collection[str] | None = None,
    multi_label: bool = False,
) -> ExportedLabels:
    """Write the images whose label is confirmed, and which the log keeps.

    Args:
        log: open.
        settled: of its feedback.
        target: a new folder.
        held_back: digests of images that a model may be tested on: they are put under `test`, all others under
            `train`; None: there are no parts.
        multi_label: an image may show several classes, or none.

    Raises:
        UsageError: the folder exists, or an image has several classes.
        ResourceError: the log cannot be read, or the folder not written.
    """
    files = (
        replace(
            _file(one.digest, one.answer, log.image(one.digest)),
            part="" if held_back is None else "test" if one.digest in held_back else "train",
        )
        for one in settled
        if one.state == "confirmed" and one.answer is not None
    )
    left_out = Counter[str](one.why or one.state for one in settled if one.state != "confirmed")
    return write_labelled(target, files, left_out=left_out, multi_label=multi_label)


def _file(digest: str, answer: Answer, data: bytes | None) -> LabelledFile:
    """An image under a short name with the ending of its format."""
    ending = ""
    if data is not None:
        with contextlib.suppress(ImageError):
            ending = FORMATS[read_header(data).format].extensions[0]
    return LabelledFile(name=digest[:SHORT] + ending, answer=answer, data=data)
