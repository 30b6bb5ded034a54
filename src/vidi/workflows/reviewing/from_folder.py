"""Images of a folder or a run to review, without any log: doubtful labels first, then images that have none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import NearDuplicate, SuspectLabel
from vidi.data.checking.measured import measure_file
from vidi.data.duplicates.fingerprint import FINGERPRINT_BYTES, unpack_fingerprints
from vidi.data.duplicates.near_duplicates import find_near_duplicates
from vidi.errors import DataError, MissingPackageError
from vidi.files import escape_path, unescape_path
from vidi.groups import join_links, links_of_equal, members_of
from vidi.images.decode import Measured
from vidi.images.limits import DecodeOptions
from vidi.images.pool import DecodeJob, read_images
from vidi.labelling import ModelView, choose_images
from vidi.metrics.label_errors import find_label_errors, find_unlikely_labels
from vidi.metrics.outputs import SIGMOID, SOFTMAX, Outputs
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.reviewing.items import Occasion, ReviewItem
from vidi.workflows.reviewing.opening import FolderImages


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundImage:
    """One usable image of a folder."""

    path: str
    digest: str
    given: tuple[str, ...] | None  # its labels; None where nobody has said what it shows
    measured: Measured
    prediction: Prediction | None  # None where no model was asked


def review_items(
    images: FolderImages,
    *,
    predictor: Predictor | None = None,
    suspects: Sequence[SuspectLabel] = (),
    options: DecodeOptions,
    events: Events = SILENCE,
) -> tuple[list[ReviewItem], Mapping[str, Sequence[str]]]:
    """Look at every image once, and order those that somebody should look at.

    Args:
        images: of the folder.
        predictor: a model that says what it sees; None: nobody is asked.
        suspects: images whose label is known to be doubtful, the most doubtful first.
        options: how images are decoded.
        events: receives progress.

    Returns:
        Images in the order of review, and the paths of all files by their digest.

    Raises:
        DataError: nothing is to be reviewed: all images have labels that nothing speaks against.
    """
    found = _look(images, predictor, options, events)
    near = _near_duplicates(found)
    copies = _grouped(found, near)
    conflicts = _conflicts(found, near)
    doubtful = _doubtful(found, images, [one.path for one in suspects], events)
    new = _new_images(found, copies, SIGMOID if images.multi_label else SOFTMAX)
    sizes = np.bincount(copies, minlength=len(found))
    occasions: dict[int, Occasion] = {}
    for rows, occasion in ((conflicts, "conflicting-labels"), (doubtful, "suspect-label"), (new, "no-label")):
        for row in rows:
            occasions.setdefault(row, occasion)  # type: ignore[arg-type]
    if not occasions:
        raise DataError(
            f"{escape_path(images.title)}: every image has a label, and nothing speaks against one",
            "Name a model that may doubt them, `--model MODEL`, or put new images beside the class folders.",
        )
    suggested = {one.path: (unescape_path(one.suggested), one.suggested_confidence) for one in suspects}
    items = [
        replace(
            _item(found[row], occasion, images, int(sizes[copies[row]]) - 1), suggested=suggested.get(found[row].path)
        )
        for row, occasion in occasions.items()
    ]
    paths: dict[str, list[str]] = {}
    for one in found:
        paths.setdefault(one.digest, []).append(one.path)
    return _once(items), paths


def find_conflicting(images: FolderImages, *, options: DecodeOptions, events: Events = SILENCE) -> frozenset[str]:
    """Paths of the images that have two labels: those with the same bytes, or the same cut of one photograph.

    Args:
        images: of the folder; all are decoded.
        options: how.
        events: receives progress.

    Raises:
        DataError: no image can be used.
    """
    found = _look(images, None, options, events)
    return frozenset(found[row].path for row in _conflicts(found, _near_duplicates(found)))


def _once(items: Sequence[ReviewItem]) -> list[ReviewItem]:
    """The items; of files with the same bytes the first, with the labels of all."""
    given: dict[str, tuple[str, ...]] = {}
    for item in items:
        given[item.digest] = tuple(dict.fromkeys([*given.get(item.digest, ()), *item.given]))
    first = {item.digest: item for item in reversed(items)}
    return [replace(item, given=given[item.digest]) for item in items if first[item.digest] is item]


def _look(
    images: FolderImages,
    predictor: Predictor | None,
    options: DecodeOptions,
    events: Events,
) -> list[FoundImage]:
    """Every usable image, measured and, where there is a model, answered."""
    paths = [*images.labelled, *images.unlabelled]
    found = []
    if predictor is None:
        for done, read in enumerate(
            read_images(images.store, paths, DecodeJob(measure=measure_file, options=options)), start=1
        ):
            events.reading(done, len(paths))
            if read.measured is not None:
                found.append(_found(read.path, read.digest, read.measured, None, images))
    else:
        answers = predictor.predict_files(
            paths, store=images.store, options=options, measure=measure_file, embedding=True
        )
        for done, answer in enumerate(answers, start=1):
            events.reading(done, len(paths))
            if answer.measured is not None and answer.prediction is not None:
                found.append(_found(answer.path, answer.digest, answer.measured, answer.prediction, images))
    if not found:
        raise DataError(f"{escape_path(images.title)}: no image can be used", "`vidi check` says why.")
    return found


def _found(
    path: str, digest: str, measured: Measured, prediction: Prediction | None, images: FolderImages
) -> FoundImage:
    given = images.labelled.get(path)
    return FoundImage(path=path, digest=digest, given=given, measured=measured, prediction=prediction)


def _near_duplicates(found: Sequence[FoundImage]) -> list[NearDuplicate]:
    """Pairs of near-copies; of files with the same bytes the first stands for all."""
    packed = np.stack([np.asarray(one.measured, np.uint8)[:FINGERPRINT_BYTES] for one in found])
    first = {one.digest: row for row, one in reversed([*enumerate(found)])}
    return find_near_duplicates(unpack_fingerprints(packed), np.array(sorted(first.values()), np.int64))


def _grouped(found: Sequence[FoundImage], near: Sequence[NearDuplicate]) -> NDArray[np.int64]:
    """Number the images, (images,) int64, so that exact copies and these near-copies share a number."""
    same = links_of_equal(one.digest for one in found)
    return join_links(len(found), [*same, *((pair.first, pair.second) for pair in near)])


def _conflicts(found: Sequence[FoundImage], near: Sequence[NearDuplicate]) -> list[int]:
    """Images with two labels, as `vidi check` finds them, copies one after the other."""
    cuts = _grouped(found, [pair for pair in near if pair.same_frame])
    labelled = ([row for row in members if found[row].given is not None] for members in members_of(cuts))
    return [row for rows in labelled for row in rows if len({found[row].given for row in rows}) > 1]


def _doubtful(found: Sequence[FoundImage], images: FolderImages, suspects: Sequence[str], events: Events) -> list[int]:
    """Images whose label is doubted, by a list or by the model."""
    row_of = {one.path: row for row, one in enumerate(found)}
    listed = [row_of[path] for path in suspects if path in row_of]
    if listed or images.multi_label:
        return listed
    classes = next((one.prediction.classes for one in found if one.prediction is not None), ())
    place = {name: index for index, name in enumerate(classes)}
    known = {row: place[one.given[0]] for row, one in enumerate(found) if one.given and one.given[0] in place}
    if not known:
        return []
    rows = list(known)
    probabilities = np.stack([_prediction(found[row]).probabilities for row in rows])
    labels = np.array(list(known.values()), np.int64)
    try:
        doubted = find_label_errors(probabilities, labels)
    except MissingPackageError as error:
        events.say(f"{error.cause}; a simpler test is used")
        doubted = find_unlikely_labels(probabilities, labels)
    return [rows[place] for place in doubted.tolist()]


def _prediction(one: FoundImage) -> Prediction:
    assert one.prediction is not None  # noqa: S101  # asked of images that a model has answered
    return one.prediction


def _new_images(found: Sequence[FoundImage], copies: NDArray[np.int64], outputs: Outputs) -> list[int]:
    """Images without a label, the most informative first, near-duplicates once."""
    rows = [row for row, one in enumerate(found) if one.given is None]
    if not rows:
        return []
    answered = all(found[row].prediction is not None for row in rows)
    if answered:
        predictions = [_prediction(found[row]) for row in rows]
        embeddings = [one.embedding for one in predictions if one.embedding is not None]
        order = choose_images(
            np.stack([one.probabilities for one in predictions]),
            embeddings=np.stack(embeddings),
            is_strange=np.array([one.verdict == "unknown" for one in predictions]),
            outputs=outputs,
        )
    else:
        order = np.arange(len(rows))
    first: dict[int, int] = {}
    for place in order.tolist():
        first.setdefault(int(copies[rows[place]]), rows[place])
    return list(first.values())


def _item(one: FoundImage, occasion: Occasion, images: FolderImages, copies: int) -> ReviewItem:
    said, view = one.prediction, None
    if said is not None:
        rows = np.zeros(len(images.classes), np.float32)
        rows[: len(said.probabilities)] = said.probabilities  # the model's classes come first
        answer = ("label", tuple(sorted(said.predicted))) if said.predicted else ("none", ())
        view = ModelView(rows, answer, said.verdict == "sure")  # type: ignore[arg-type]
    return ReviewItem(
        digest=one.digest,
        name=escape_path(one.path),
        occasion=occasion,
        given=one.given or (),
        verdict=None if said is None else said.verdict,
        candidates=() if said is None else said.candidates,
        view=view,
        copies=copies,
    )
