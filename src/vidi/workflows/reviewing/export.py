"""Reviewed labels as a data set: copies of the images in class folders, or with a table of several classes each."""

import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vidi.data.readers.class_folders import UNKNOWN
from vidi.errors import UsageError
from vidi.files import TEMPORARY_PREFIX, escape_path, folder_name, write_whole, writing_error
from vidi.labelling import Answer
from vidi.report.words.text import count_of

TABLE, IMAGES = "labels.jsonl", "images"  # of a data set whose images may show several classes
UNREADABLE = "not kept"  # why a labelled image is not in the data set: its file is gone


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
        multi_label: an image may show several classes, or none: they stand in `labels.jsonl` beside the images.

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
            write_whole(temporary / TABLE, "".join(lines))
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
