"""Likely label errors, from a run's own predictions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import SuspectLabel
from vidi.errors import DataError, MissingPackageError
from vidi.evaluation.answers import join_names
from vidi.evaluation.run_files import LABEL_ERRORS, read_suspects, write_suspects
from vidi.evaluation.sections import LabelErrors
from vidi.files import escape_path, read_json, write_atomic
from vidi.metrics.label_errors import can_accuse, find_label_errors, find_wrong_targets, suggest_labels
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.model_file.values import from_plain
from vidi.numbers import percent
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.run_folder import STUDY
from vidi.workflows.run.prepare import SplitImages

MOST_LEFT_OUT = 0.5  # of a class's training images; more would say that the class, not its labels, is in doubt


def study_labels(
    folder: Path,
    images: SplitImages,
    rows: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    *,
    drop_suspects: bool,
    events: Events,
) -> NDArray[np.int64]:
    """List likely label errors in label_errors.csv, and drop those of the train part on request.

    A list that is there already stays: a resumed run leaves out what it left out before.

    Args:
        probabilities: (rows, classes), each by a network that has not seen the image.
        drop_suspects: learn without them.

    Returns:
        The images of the train part that are to be left out of training.
    """
    if not (folder / LABEL_ERRORS).exists():
        try:
            suspects = find_suspects(images, rows, probabilities)
        except MissingPackageError as error:
            if drop_suspects:
                raise
            events.say(f"{error.cause}: {error.remedy}")
            return np.zeros(0, np.int64)
        rows_of = [row for row, _ in suspects] if drop_suspects else []
        left_out = choose_dropped(rows_of, images.truth.strata, train=images.split.rows("train"))
        counts: dict[str, float] = {"images": len(rows), "listed": len(suspects), "left_out": len(left_out)}
        accuracy = too_inaccurate(images.truth.at(rows), probabilities)
        if accuracy is not None:
            counts["accuracy"] = accuracy
        keep_study(folder, {"label_errors": counts})
        dropped = set(left_out.tolist())
        write_suspects(folder, [replace(suspect, is_left_out=row in dropped) for row, suspect in suspects])
    return tell_suspects(folder, images, events=events)


def tell_suspects(folder: Path, images: SplitImages, *, events: Events) -> NDArray[np.int64]:
    """Say what label_errors.csv holds, and return the images that it says are left out."""
    counts = read_study(folder).get("label_errors")
    if counts is not None:
        events.say(_suspects_line(from_plain(LabelErrors, counts)))
    return _read_left_out(folder, images)


def _suspects_line(found: LabelErrors) -> str:
    """How many labels may be wrong, and what follows; or that none can be doubted."""
    if found.accuracy is not None:
        share = percent(found.accuracy)
        return f"labels: not checked, for only {share} of {found.images:,} held-out images are classified correctly"
    done = f"{found.left_out:,} left out of training" if found.left_out else "listed in label_errors.csv"
    return f"labels: {found.listed:,} of {found.images:,} may be wrong" + (f"; {done}" if found.listed else "")


def too_inaccurate(truth: Truth, probabilities: NDArray[np.float32]) -> float | None:
    """The accuracy of answers, where it is too low to doubt any label by them."""
    if isinstance(truth, OneClass) and not can_accuse(probabilities, truth.labels):
        return float(truth.correct(probabilities).mean())
    return None


def find_suspects(
    images: SplitImages, rows: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> list[tuple[int, SuspectLabel]]:
    """Find the images whose label is likely wrong with their rows, least likely label first.

    Args:
        probabilities: (rows, classes), each by a network that has not seen the image.
    """
    truth, classes = images.truth.at(rows), images.dataset.classes
    if isinstance(truth, SeveralClasses):
        return _suspect_targets(images, truth.shown, rows, probabilities)
    # A class none of whose images was held out has no answers to be judged by: it is neither accused nor suggested.
    present, labels = np.unique(truth.labels, return_inverse=True)
    classes = tuple(classes[label] for label in present.tolist())
    probabilities = probabilities[:, present] / probabilities[:, present].sum(axis=1, keepdims=True)
    suggested = suggest_labels(probabilities, labels)
    return [
        _suspect(
            images,
            int(rows[index]),
            label=escape_path(classes[labels[index]]),
            suggested=escape_path(classes[suggested[index]]),
            confidences=(probabilities[index, labels[index]], probabilities[index, suggested[index]]),
        )
        for index in find_label_errors(probabilities, labels).tolist()
        if not images.dataset.images[rows[index]].is_confirmed
    ]


def _suspect_targets(
    images: SplitImages, targets: NDArray[np.bool_], rows: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> list[tuple[int, SuspectLabel]]:
    """The same where images may show several classes: what is suggested is right about every doubtful one."""
    wrong, classes = find_wrong_targets(probabilities, targets), images.dataset.classes
    believed = np.where(targets, probabilities, 1 - probabilities)
    least = np.where(wrong, believed, 1.0).min(axis=1)
    return [
        _suspect(
            images,
            int(rows[index]),
            label=join_names(classes, targets[index]),
            suggested=join_names(classes, targets[index] ^ wrong[index]),
            confidences=(least[index], 1 - least[index]),
        )
        for index in np.argsort(least, kind="stable").tolist()
        if wrong[index].any() and not images.dataset.images[rows[index]].is_confirmed
    ]


def _suspect(
    images: SplitImages, row: int, *, label: str, suggested: str, confidences: tuple[float, float]
) -> tuple[int, SuspectLabel]:
    """A row, and what label_errors.csv says of its image."""
    return row, SuspectLabel(
        path=images.dataset.images[row].path,
        digest=images.check.records[row].digest or "",
        part=images.split.parts[row],
        label=label,
        suggested=suggested,
        confidence=float(confidences[0]),
        suggested_confidence=float(confidences[1]),
    )


def keep_study(folder: Path, found: Mapping[str, object]) -> None:
    """Add results to the run's study.json."""
    write_atomic(folder / STUDY, json.dumps({**read_study(folder), **found}, indent=1) + "\n")


def read_study(folder: Path) -> dict[str, Any]:
    """Read the results that `keep_study` stored; empty without any.

    Raises:
        DataError: the file is damaged.
    """
    try:
        found: dict[str, Any] = read_json(folder / STUDY)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{escape_path(folder / STUDY)} is damaged: {error}", "Delete it, and resume.") from error
    return found


def choose_dropped(
    suspects: Sequence[int], strata: NDArray[np.int64], *, train: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Suspects of the train part, ascending, but never more than half of a class.

    Args:
        suspects: rows of images, the least believable label first.
        strata: (images,) the class of each, as `Truth.strata` has it.
        train: rows of the train part.

    >>> choose_dropped([4, 0, 1, 2], np.array([0, 0, 0, 1, 1]), train=np.arange(5))
    array([0, 4])
    """
    room = np.floor(MOST_LEFT_OUT * np.bincount(strata[train], minlength=int(strata.max()) + 1)).astype(np.int64)
    in_train, chosen = set(train.tolist()), []
    for row in suspects:
        if row in in_train and room[strata[row]] > 0:
            room[strata[row]] -= 1
            chosen.append(row)
    return np.array(sorted(chosen), np.int64)


def _read_left_out(folder: Path, images: SplitImages) -> NDArray[np.int64]:
    """The images that a run's list says are left out.

    Raises:
        DataError: the list is damaged, or is not of this data.
    """
    row_of = {image.path: row for row, image in enumerate(images.dataset.images)}
    left_out = [one.path for one in read_suspects(folder) if one.is_left_out]
    if strange := next((path for path in left_out if path not in row_of), None):
        raise DataError(
            f"{escape_path(folder / LABEL_ERRORS)} belongs to other data: it names {escape_path(strange)}",
            "Delete it, and resume.",
        )
    return np.array(sorted(row_of[path] for path in left_out), np.int64)
