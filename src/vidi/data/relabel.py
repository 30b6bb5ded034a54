"""What people said of images, applied to what a reader found; each image keeps what the data itself says of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from vidi.data.dataset import NEGATIVE, LabelledImage
from vidi.data.joined import digest_in, is_feedback_path, path_at_source
from vidi.data.labels import Answer, Kind, Labels
from vidi.data.readers.class_folders import NO_CLASS
from vidi.data.readers.source import Reading, Source
from vidi.files import escape_path
from vidi.images.account import Entry
from vidi.images.store import ImageStore
from vidi.machine import core_count

NO_LABEL = "no-label"  # code of an image whose class nothing names
DISPUTED = ("people-disagree", "People gave it different labels.")
NOT = "not "
LEFT_OUT: Mapping[Kind, tuple[str, str]] = {
    "exclude": ("excluded", "People left it out."),
    "unclear": ("unclear", "People could not tell what it shows."),
    "none": ("none-of-these", "People said that it shows none of the classes."),
    "copy": ("deduplicated", "People kept another copy of it."),
}


def relabel(reading: Reading, labels: Labels, source: Source) -> None:
    """Give images the labels that people gave them, and leave out what people left out.

    An image is found by its path, where the file still has the digest that was labelled; where labelled paths are
    gone, by digest among the other images. One that the data gives no class becomes an image of the set, or a
    negative.

    Args:
        reading: what a reader found, with every file accounted for; it is changed.
        labels: of `read_labels`.
        source: where the images lie.
    """
    has_parts = any(image.part is not None for image in reading.images)
    unlabelled = {entry.path for entry in reading.set_aside if entry.code in (NO_CLASS, NO_LABEL)}
    new = [LabelledImage(path, frozenset(), part="train" if has_parts else None) for path in sorted(unlabelled)]
    images = [*reading.images, *new]
    digests = _digests_of_labelled([image.path for image in images], labels, reading.store or source.store)
    answers = _answers_by_path(digests, labels)
    names = {name for answer in answers.values() if answer is not None for name in answer[1]}
    new_names = names.difference(reading.classes)
    # From a review of two classes, `NAME` and `not NAME`, that are made of more.
    denied = {name for name in new_names if name.startswith(NOT) and name.removeprefix(NOT) in reading.classes}
    reading.classes.extend(sorted(new_names - denied))
    index_of = {name: index for index, name in enumerate(reading.classes)}
    kept, entries, counts = list[LabelledImage](), list[Entry](), Counter[str]()
    for image in images:
        is_new = image.path in unlabelled
        if image.path not in answers:
            kept.extend([] if is_new else [image])
            continue
        kind, given = answers[image.path] or (None, ())
        if denied.isdisjoint(given):
            shown = frozenset(index_of[name] for name in given)
        else:
            shown = image.labels - {index_of[name.removeprefix(NOT)] for name in given}
        if kind == "label" or (kind == "none" and source.multi_label):
            if shown == image.labels and not is_new:
                kept.append(replace(image, is_confirmed=True))
                continue
            kept.append(replace(image, labels=shown, given=image.labels, boxes=(), is_confirmed=True))
            counts["labelled" if is_new else "relabelled"] += 1
        else:
            reason = NEGATIVE if is_new and kind == "none" else LEFT_OUT[kind] if kind else DISPUTED
            counts[reason[0]] += 1
            if is_new:
                entries.append(Entry(image.path, *reason))
            else:
                reading.left_out.append(replace(image, left_out=reason))
    settled = unlabelled & answers.keys()
    reading.set_aside = [entry for entry in reading.set_aside if entry.path not in settled] + entries
    reading.images = kept
    if counts:
        said = ", ".join(f"{count:,} {what.replace('-', ' ')}" for what, count in counts.items())
        reading.notes.append(f"{said} by {escape_path(labels.path.name)}")


def _answers_by_path(digests: Mapping[str, str], labels: Labels) -> dict[str, Answer | None]:
    """What people agree on of each image that they labelled, of all by path; None where they disagree."""
    answers = {path: labels.answers[digest] for path, digest in digests.items() if digest in labels.answers}
    return answers | {path: ("copy", ()) for path, digest in digests.items() if (path, digest) in labels.copies}


def _digests_of_labelled(paths: Sequence[str], labels: Labels, store: ImageStore) -> dict[str, str]:
    """The digest of each of these files that may have been labelled."""
    here = frozenset(paths)
    named = dict.fromkeys(map(path_at_source, labels.digests))
    digests = _digests(store, [path for path in named if path in here])
    gone = {digest for path, digest in labels.digests.items() if path not in here and not is_feedback_path(path)}
    if gone - set(digests.values()):
        digests |= _digests(store, [path for path in paths if path not in digests])
    return digests


def _digests(store: ImageStore, paths: Sequence[str]) -> dict[str, str]:
    """The digest of each file; "" where it cannot be read."""
    if len(paths) < core_count():
        return {path: digest_in(store, path) or "" for path in paths}
    with ThreadPoolExecutor(core_count(), thread_name_prefix="vidi-digest") as threads:
        return dict(zip(paths, threads.map(lambda path: digest_in(store, path) or "", paths), strict=True))
