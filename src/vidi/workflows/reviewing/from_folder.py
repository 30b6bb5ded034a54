"""Images of a data set or a run to review, without any log: what its check finds, then images without a label."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import DataCheck, SuspectLabel
from vidi.data.checking.findings import COPIES
from vidi.data.checking.measured import measure_file
from vidi.data.duplicates.fingerprint import FINGERPRINT_BYTES, unpack_fingerprints
from vidi.data.duplicates.near_duplicates import find_near_duplicates
from vidi.errors import DataError, MissingPackageError
from vidi.files import escape_path, unescape_path
from vidi.groups import join_links, links_of_equal
from vidi.images.decode import Measured
from vidi.images.limits import DecodeOptions
from vidi.images.pool import DecodeJob, read_images
from vidi.labelling import ModelView, choose_images
from vidi.metrics.label_errors import find_label_errors, find_unlikely_labels
from vidi.metrics.outputs import SIGMOID, SOFTMAX
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.reviewing.items import CopiedFile, Occasion, ReviewItem
from vidi.workflows.reviewing.opening import FolderImages

ORDER: tuple[Occasion, ...] = get_args(Occasion)
NEW: Occasion = "no-label"
SINGLE = tuple(one for one in ORDER if one not in COPIES)
Groups = tuple[tuple[str, ...], ...]  # paths of images that belong together


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenImage:
    """An image that was looked at beside the check."""

    digest: str
    measured: Measured
    prediction: Prediction | None  # None where no model was asked


class _Items:
    """Makes the items of a review: each image once, for the gravest of what was found about it."""

    def __init__(
        self, images: FolderImages, check: DataCheck, seen: Mapping[str, SeenImage], suspects: Sequence[SuspectLabel]
    ) -> None:
        self._images, self._seen = images, seen
        self._suspects = {one.path: one for one in suspects}
        self._records = {record.path: record for record in check.records if record.digest is not None}
        self._conflicting = {check.records[row].path for row in check.conflicting}
        self.made: dict[str, ReviewItem] = {}  # by digest

    def add_found(self, groups: Groups, occasion: Occasion) -> None:
        """Add the images or the copies that a finding names."""
        for group in groups:
            here = [path for path in group if path in self._records]
            if occasion in COPIES:
                self._add_copies(here, occasion)
                continue
            for path in here:
                self.add(path, self._records[path].digest or "", occasion)

    def add(self, path: str, digest: str, occasion: Occasion, *, copies: int = 0) -> None:
        """Add an image; of files with the same bytes the first, with the labels of all."""
        given = self._images.labelled.get(path, ())
        if (known := self.made.get(digest)) is not None:
            if known.occasion == occasion:
                self.made[digest] = replace(known, given=tuple(dict.fromkeys([*known.given, *given])))
            return
        seen = self._seen.get(path)
        said = None if seen is None else seen.prediction
        suspect = self._suspects.get(path) if occasion == "suspect-labels" else None
        self.made[digest] = ReviewItem(
            digest=digest,
            name=escape_path(path),
            occasion=occasion,
            given=given,
            verdict=None if said is None else said.verdict,
            candidates=() if said is None else said.candidates,
            view=None if said is None else self._view(said),
            copies=copies,
            suggested=None if suspect is None else (_names(suspect.suggested), suspect.suggested_confidence),
        )

    def _add_copies(self, paths: Sequence[str], occasion: Occasion) -> None:
        """Add copies of one label as one item; those of two labels are in conflict, or show different things."""
        by_label: dict[tuple[str, ...], list[str]] = {}
        for path in paths:
            if path not in self._conflicting:
                by_label.setdefault(self._images.labelled[path], []).append(path)
        for given, together in by_label.items():
            files = [CopiedFile(path=path, digest=self._records[path].digest or "") for path in self._best(together)]
            if len(files) > 1:
                key = f"{files[0].digest}-{occasion}"
                name = escape_path(files[0].path)
                self.made[key] = ReviewItem(digest=key, name=name, occasion=occasion, given=given, files=tuple(files))

    def _best(self, paths: Sequence[str]) -> list[str]:
        """The files, that which should stay first: of the test part, else the largest one."""

        def rank(path: str) -> tuple[bool, int, int, str]:
            height, width = self._records[path].size
            is_tested = self._images.parts.get(path) == "test"
            return not is_tested, -height * width, -self._records[path].byte_count, path

        return sorted(paths, key=rank)

    def _view(self, said: Prediction) -> ModelView:
        rows = np.zeros(len(self._images.classes), np.float32)
        rows[: len(said.probabilities)] = said.probabilities  # the model's classes come first
        answer = ("label", tuple(sorted(said.predicted))) if said.predicted else ("none", ())
        return ModelView(rows, answer, said.verdict == "sure")  # type: ignore[arg-type]


def review_items(
    images: FolderImages,
    check: DataCheck,
    *,
    predictor: Predictor | None = None,
    suspects: Sequence[SuspectLabel] = (),
    options: DecodeOptions,
    events: Events = SILENCE,
) -> tuple[list[ReviewItem], Mapping[str, Sequence[str]]]:
    """Order what somebody should look at, the worst first.

    Args:
        images: of the data.
        check: of those with a label.
        predictor: a model that says what it sees; None: nobody is asked.
        suspects: images whose label a run doubts.
        options: how images are decoded.
        events: receives progress.

    Returns:
        Items in the order of review, and the paths of all files by their digest.

    Raises:
        DataError: nothing is to be reviewed: all images have labels that nothing speaks against.
    """
    found: dict[str, Groups] = {one.kind: one.paths for one in check.findings}
    # A run doubts labels of the images that it knew, an earlier check those of all.
    known = {one.path: one for one in (*_suspects_in(check), *suspects)}
    doubts = sorted(known.values(), key=lambda one: one.confidence)
    labelled = [record.path for record in check.records if record.refusal is None]
    asked = list[str]()
    if predictor is not None:  # where nobody has doubted the labels yet, the model does
        odd = [path for kind in SINGLE for group in found.get(kind, ()) for path in group]
        asked = [*odd, *(one.path for one in doubts)] if doubts else labelled
    seen = _look(images, [*images.unlabelled, *dict.fromkeys(asked)], predictor, options, events)
    if doubts:
        found["suspect-labels"] = tuple((one.path,) for one in doubts)
    elif predictor is not None and not images.multi_label:
        doubted = _doubted(images, {path: seen[path] for path in labelled if path in seen}, events)
        found["suspect-labels"] = tuple((path,) for path in doubted)
    made = _Items(images, check, seen, doubts)
    for occasion in ORDER:
        if occasion == NEW:
            for path, copies in _new_images(images, seen):
                made.add(path, seen[path].digest, NEW, copies=copies)
        else:
            made.add_found(found.get(occasion, ()), occasion)
    if not made.made:
        raise DataError(
            f"{escape_path(images.title)}: every image has a label, and nothing speaks against one",
            "Ask a pretrained network, `vidi check DATA --suspects`, or a model that may doubt them, `--model MODEL`.",
        )
    paths: dict[str, list[str]] = {}
    for path, digest in _digests(check, seen):
        paths.setdefault(digest, []).append(path)
    return list(made.made.values()), paths


def _suspects_in(check: DataCheck) -> Sequence[SuspectLabel]:
    """The labels that the check doubts, where it was asked to."""
    return next((one.suspects for one in check.findings if one.suspects), ())


def _names(joined: str) -> tuple[str, ...]:
    """Labels as label_errors.csv joins them."""
    return tuple(unescape_path(name) for name in joined.split("|") if name)


def _digests(check: DataCheck, seen: Mapping[str, SeenImage]) -> Iterator[tuple[str, str]]:
    """Path and digest of every usable file."""
    checked = {record.path: record.digest for record in check.records if record.digest is not None}
    yield from checked.items()
    yield from ((path, one.digest) for path, one in seen.items() if path not in checked)


def _look(
    images: FolderImages,
    paths: Sequence[str],
    predictor: Predictor | None,
    options: DecodeOptions,
    events: Events,
) -> dict[str, SeenImage]:
    """The usable ones of some images, measured and, where there is a model, answered."""
    found: dict[str, SeenImage] = {}
    if predictor is None:
        job = DecodeJob(measure=measure_file, options=options)
        for done, read in enumerate(read_images(images.store, paths, job), start=1):
            events.reading(done, len(paths))
            if read.measured is not None:
                found[read.path] = SeenImage(digest=read.digest, measured=read.measured, prediction=None)
        return found
    answers = predictor.predict_files(paths, store=images.store, options=options, measure=measure_file, embedding=True)
    for done, answer in enumerate(answers, start=1):
        events.reading(done, len(paths))
        if answer.measured is not None and answer.prediction is not None:
            found[answer.path] = SeenImage(digest=answer.digest, measured=answer.measured, prediction=answer.prediction)
    return found


def _doubted(images: FolderImages, seen: Mapping[str, SeenImage], events: Events) -> list[str]:
    """Images whose label a model doubts, the least likely label first."""
    classes = next((one.prediction.classes for one in seen.values() if one.prediction is not None), ())
    place = {name: index for index, name in enumerate(classes)}
    labels = {path: place[given] for path in seen for given in images.labelled[path][:1] if given in place}
    if not labels:
        return []
    paths, given = list(labels), np.array(list(labels.values()), np.int64)
    probabilities = np.stack([_prediction(seen[path]).probabilities for path in paths])
    try:
        doubted = find_label_errors(probabilities, given)
    except MissingPackageError as error:
        events.say(f"{error.cause}; a simpler test is used")
        doubted = find_unlikely_labels(probabilities, given)
    return [paths[row] for row in doubted.tolist()]


def _prediction(one: SeenImage) -> Prediction:
    assert one.prediction is not None  # noqa: S101  # asked of images that a model has answered
    return one.prediction


def _new_images(images: FolderImages, seen: Mapping[str, SeenImage]) -> list[tuple[str, int]]:
    """Images without a label, the most informative first, near-duplicates once, with how many copies each has."""
    paths = [path for path in images.unlabelled if path in seen]
    if not paths:
        return []
    new = [seen[path] for path in paths]
    copies = _grouped(new)
    order = np.arange(len(new))
    if all(one.prediction is not None for one in new):
        predictions = [_prediction(one) for one in new]
        embeddings = [one.embedding for one in predictions if one.embedding is not None]
        order = choose_images(
            np.stack([one.probabilities for one in predictions]),
            embeddings=np.stack(embeddings),
            is_strange=np.array([one.verdict == "unknown" for one in predictions]),
            outputs=SIGMOID if images.multi_label else SOFTMAX,
        )
    first: dict[int, int] = {}
    for row in order.tolist():
        first.setdefault(int(copies[row]), row)
    sizes = np.bincount(copies)
    return [(paths[row], int(sizes[group]) - 1) for group, row in first.items()]


def _grouped(seen: Sequence[SeenImage]) -> NDArray[np.int64]:
    """Number the images, (images,) int64, so that exact copies and near-copies share a number."""
    packed = np.stack([np.asarray(one.measured, np.uint8)[:FINGERPRINT_BYTES] for one in seen])
    first = {one.digest: row for row, one in reversed([*enumerate(seen)])}
    near = find_near_duplicates(unpack_fingerprints(packed), np.array(sorted(first.values()), np.int64))
    same = links_of_equal(one.digest for one in seen)
    return join_links(len(seen), [*same, *((pair.first, pair.second) for pair in near)])
