"""One call from what the user named to a data set: found, labelled by a reader, accounted for; nothing decoded."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidi.data.archives.members import ARCHIVE_SUFFIXES
from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.known_sets.named import NAMED_SETS, open_named_set
from vidi.data.labels import NO_LABELS, Labels, find_labels, read_labels
from vidi.data.project import IMAGES, is_project
from vidi.data.readers.class_folders import NO_CLASS, read_class_folders
from vidi.data.readers.class_names import known_class, renamed, require_distinct
from vidi.data.readers.coco import read_coco
from vidi.data.readers.records import read_records
from vidi.data.readers.source import Reader, Reading, Source, open_source
from vidi.data.readers.tables import explain_tables, read_metadata, read_tables
from vidi.data.readers.voc import read_voc
from vidi.data.readers.yolo import read_yolo
from vidi.data.relabel import DISPUTED, NO_LABEL, relabel
from vidi.errors import DataError, UsageError
from vidi.files import escape_path, refuse_url
from vidi.images.account import Account, Entry
from vidi.numbers import first_of

MOST_NAMED = 10  # classes, in a note
READERS: Mapping[str, Reader] = {
    "records": read_records,
    "hugging-face": read_metadata,
    "yolo": read_yolo,
    "coco": read_coco,
    "voc": read_voc,
    "tables": read_tables,
    "class-folders": read_class_folders,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Which classes are made of what a source names, and which of its files are read."""

    classes: Sequence[str] | None = None  # keep only these; images of other classes are set aside
    positive: str | None = None  # make two classes of all: this one, and `not` this one
    rest: str | None = None  # another name for that second class
    usually_positive: str | None = None  # the positive class of data that names it, and no class `not` this one
    names: str | None = (
        None  # new ones, `0=person,1=dog`, or `person,dog` for numbered classes; one for two merges them
    )
    multi_label: bool = False  # an image may show several classes, or none; each is a question of its own
    allow_outside: bool = False  # read files outside the source's folder: through links that lead out, or in a table
    labels: str | None = (
        None  # what people said of the images: a file, or `none`; by default the file beside the source
    )
    labels_state: str | None = None  # read that file as it was then

    def __post_init__(self) -> None:
        if self.multi_label and self.positive is not None:
            raise UsageError(
                "--positive makes two classes of all, and --multi-label keeps every class a question of its own",
                "Leave one of the two out.",
            )


ALL_CLASSES = ReadOptions()


def read_dataset(
    source: str | Path,
    options: ReadOptions = ALL_CLASSES,
) -> Dataset:
    """Read which images there are and what they show; no image is decoded.

    Args:
        source: a folder, an archive, a table or annotation file; or the name of a known set. A path that exists wins.

    Raises:
        UsageError: the source, a class or a name is not there.
        DataError: there is no image with a class, an image shows several classes and `options.positive` is not given,
            class names are one on other file systems, or an archive or table is damaged.
    """
    text = str(source)
    refuse_url(text)
    opened = replace(_opened(text, allow_outside=options.allow_outside), multi_label=options.multi_label)
    labels = _read_labels(text, options)
    reader, reading = _read(opened, may_lack_classes=labels is not None and bool(labels.answers))
    names = options.names
    if reading.numbered and names is None and _is_known_set(text):
        names = ",".join(NAMED_SETS[text].classes)
    _account_for_rest(reading, opened)
    if labels is not None and (labels.answers or labels.copies):
        relabel(reading, labels, opened)
    _rename(reading, opened.given, names=names)
    _choose_classes(reading, options)
    dataset = _as_dataset(reading, opened, given=text, reader=reader)
    dataset = replace(dataset, labels_state=None if labels is None else labels.state)
    if not dataset.multi_label:
        dataset.labels()  # refuses images of several classes at once
    return dataset


def _read_labels(text: str, options: ReadOptions) -> Labels | None:
    """What people said of the images of a source; None where nothing is asked, or nothing could lie beside it."""
    if options.labels == NO_LABELS or (options.labels is None and not Path(text).exists()):
        return None
    if options.labels is None:
        return read_labels(find_labels(text), state=options.labels_state)
    if not Path(options.labels).is_file():
        raise UsageError(
            f"--labels {escape_path(options.labels)}: no such file", "Name a file that `vidi review` wrote, or `none`."
        )
    return read_labels(Path(options.labels), state=options.labels_state)


def _is_known_set(text: str) -> bool:
    return text in NAMED_SETS and not Path(text).exists()


def _opened(text: str, *, allow_outside: bool) -> Source:
    if _is_known_set(text):
        return open_named_set(text)
    if Path(text).exists():
        return open_source(Path(text), allow_outside=allow_outside)
    raise _no_such_source(text)


def _no_such_source(text: str) -> UsageError:
    """What to say where neither a path nor a known set has this name."""
    import difflib  # only here: every prediction from a cold start would pay for it

    beside = os.listdir(Path(text).parent) if Path(text).parent.is_dir() else []
    near = difflib.get_close_matches(Path(text).name, [*NAMED_SETS, *beside], n=1)
    proposal = f" Did you mean {escape_path(near[0])!r}?" if near else ""
    return UsageError(
        f"{escape_path(text)} is neither an existing path nor a known set",
        f"Name a folder, an archive or a table of images, or one of the known sets: {', '.join(NAMED_SETS)}.{proposal}",
    )


def require_learnable(dataset: Dataset) -> None:
    """Stop before any work where there is nothing to tell apart; whether the images can be read is not known yet.

    Raises:
        DataError: fewer than two classes have two images.
    """
    counts = Counter(index for image in dataset.images for index in image.labels)
    if sum(count >= 2 for count in counts.values()) < 2:
        found = ", ".join(f"{dataset.classes[index]} ({count:,})" for index, count in counts.most_common(10))
        classes = "1 class" if len(counts) == 1 else f"{len(counts)} classes"
        raise DataError(
            f"{escape_path(dataset.source)}: found {classes} with images: {found}",
            "Learning needs at least two classes with at least two images each.",
        )


def _read(source: Source, *, may_lack_classes: bool) -> tuple[str, Reading]:
    """The first reader that knows this kind of source, and its reading."""
    for name, read in READERS.items():
        reading = read(source)
        if reading is not None and (reading.images or reading.refused):
            return name, reading
    explain_tables(source)
    if may_lack_classes and source.scan.files:
        return "labels", Reading(classes=[], images=[])
    raise _nothing_found(source)


def _nothing_found(source: Source) -> DataError:
    scan = source.scan
    found = f"{len(scan.files):,} possible images, {len(scan.ignored):,} other files and {len(scan.refused):,} refused"
    if scan.files:
        found += ", but nothing that gives the images classes"
    return DataError(
        f"{source.given}: found {found}",
        "Put the images into one folder for each class, at least two classes with at least two images each, "
        "or name their classes in a table with the columns path and label.",
    )


def _account_for_rest(reading: Reading, source: Source) -> None:
    """Enter every file that the reader did not mention, so that each stands in the account exactly once."""
    mentioned = {image.path for image in reading.images}
    for entries in (reading.set_aside, reading.refused, reading.ignored):
        mentioned.update(entry.path for entry in entries)
    reading.refused = [*(entry for entry in source.scan.refused if entry.path not in mentioned), *reading.refused]
    reading.ignored = [*(entry for entry in source.scan.ignored if entry.path not in mentioned), *reading.ignored]
    reading.set_aside.extend(
        Entry(file.path, NO_LABEL, "Nothing names its class.")
        for file in source.scan.files
        if file.path not in mentioned
    )


def _rename(reading: Reading, given: str, *, names: str | None) -> None:
    """Give classes other names, and make sure that every system tells the names apart."""
    if names is not None:
        new = renamed(reading.classes, names)
        _map_classes(reading, [new[name] for name in reading.classes])
    elif reading.numbered:
        reading.notes.append("the source gives no class names: its numbers are the names (`--names 0=person,…`)")
    counts = Counter(reading.classes[index] for image in reading.images for index in image.labels)
    require_distinct(counts, given=given)
    unused = [name for name in reading.classes if name not in counts]
    if unused:
        reading.notes.append(f"classes without an image are left out: {first_of(unused, MOST_NAMED)}")
    _map_classes(reading, [name if name in counts else None for name in reading.classes])


def _choose_classes(reading: Reading, options: ReadOptions) -> None:
    if options.classes is not None:
        wanted = [known_class(name, reading.classes, flag="--classes") for name in options.classes]
        _map_classes(reading, [name if name in wanted else None for name in reading.classes])
        if not options.multi_label:
            _set_aside_unlabelled(reading, "other-class", "It shows none of the chosen classes.")
    positive, usual = options.positive, options.usually_positive
    if usual in reading.classes and f"not {usual}" not in reading.classes:
        positive = usual
    if positive is not None:
        _make_positive(reading, known_class(positive, reading.classes, flag="--positive"), rest=options.rest)


def _make_positive(reading: Reading, name: str, *, rest: str | None) -> None:
    """Two classes: images that show `name`, and all others."""
    index = reading.classes.index(name)
    shown, absent = frozenset([0]), frozenset([1])
    _map_labels(reading, lambda labels: shown if index in labels else absent, {index: 0})
    reading.classes = [name, rest or f"not {name}"]


def _map_classes(reading: Reading, new_names: Sequence[str | None]) -> None:
    """Rename classes in place, join those of one new name, and drop those without (their images lose that label)."""
    if list(new_names) == reading.classes:
        return
    kept = list(dict.fromkeys(name for name in new_names if name is not None))
    index_of = {name: index for index, name in enumerate(kept)}
    new_index = {old: index_of[name] for old, name in enumerate(new_names) if name is not None}
    shared: dict[frozenset[int], frozenset[int]] = {}

    def mapped(labels: frozenset[int]) -> frozenset[int]:
        if labels not in shared:
            shared[labels] = frozenset(new_index[label] for label in labels if label in new_index)
        return shared[labels]

    _map_labels(reading, mapped, new_index)
    reading.classes = kept


def _map_labels(
    reading: Reading, mapped: Callable[[frozenset[int]], frozenset[int]], new_index: Mapping[int, int]
) -> None:
    """Change the class indexes of all images; boxes of other classes are dropped."""

    def of(image: LabelledImage) -> LabelledImage:
        boxes = (
            replace(box, class_index=new_index[box.class_index]) for box in image.boxes if box.class_index in new_index
        )
        given = mapped(image.given) if image.given else image.given
        return replace(image, labels=mapped(image.labels), given=given, boxes=tuple(boxes))

    reading.images = [of(image) for image in reading.images]
    reading.left_out = [of(image) for image in reading.left_out]


def _set_aside_unlabelled(reading: Reading, code: str, sentence: str) -> None:
    """Keep out the images that show none of the classes; one whose own label is one of them people left out."""
    for image in reading.images:
        if not image.labels and image.given:
            reading.left_out.append(replace(image, labels=image.given, given=None, left_out=(code, sentence)))
        elif not image.labels:
            reading.set_aside.append(Entry(image.path, code, sentence))
    reading.images = [image for image in reading.images if image.labels]


def _as_dataset(reading: Reading, source: Source, *, given: str, reader: str) -> Dataset:
    if not source.multi_label and any(not image.labels for image in reading.images):
        _set_aside_unlabelled(reading, NO_CLASS, "It shows none of the classes.")
    left_out = tuple(image for image in reading.left_out if image.labels or source.multi_label)
    reading.set_aside.extend(Entry(image.path, *(image.left_out or DISPUTED)) for image in reading.left_out)
    if not reading.images:
        raise _nothing_usable(reading, source)
    return Dataset(
        name=_short_name(given),
        source=given,
        reader=reader,
        classes=tuple(reading.classes),
        images=tuple(_without_lone_part(reading.images)),
        store=reading.store or source.store,
        account=Account(len(reading.images), reading.set_aside, reading.refused, reading.ignored),
        notes=tuple(reading.notes),
        multi_label=source.multi_label,
        left_out=left_out,
    )


def _without_lone_part(images: list[LabelledImage]) -> Iterable[LabelledImage]:
    """A source that is all `train` brings no split of its own."""
    if any(image.part != "train" for image in images):
        return images
    return (replace(image, part=None) for image in images)


def _nothing_usable(reading: Reading, source: Source) -> DataError:
    first = (reading.refused or reading.set_aside)[0]
    return DataError(
        f"{source.given}: none of the {len(reading.refused) + len(reading.set_aside):,} images found can be used; "
        f"the first, {escape_path(first.path)}: {first.sentence}",
        "At least two classes with at least two images each are needed.",
    )


def _short_name(text: str) -> str:
    """What run folders and titles call the source: its last part without the ending."""
    path = Path(text)
    if path.name == IMAGES and is_project(path.parent):
        path = path.parent
    name = path.name or path.resolve().name
    if path.is_file():
        ending = next((ending for ending in ARCHIVE_SUFFIXES if name.casefold().endswith(ending)), path.suffix)
        name = name[: len(name) - len(ending)]
    return name or "data"
