"""A folder or a run opened for review: its images, its labels file, and a model that doubts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidi.data.checked import SuspectLabel
from vidi.data.dataset import Dataset
from vidi.data.labels import NO_LABELS, LabelsFile, Opinion, is_outside
from vidi.data.readers.class_folders import NO_CLASS
from vidi.errors import ImageError, UsageError
from vidi.evaluation.run_files import find_run_suspects
from vidi.files import escape_path
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.model_file.registered import follows_name, models_folder
from vidi.prediction.predictor import Predictor
from vidi.registry import find_name
from vidi.workflows.interaction.request import decode_options, labels_of, read_as_given
from vidi.workflows.interaction.run_folder import MODEL, REQUEST, read_request, run_of, understood
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.reviewing.items import ReviewItem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FolderImages:
    """The images of a folder, with and without labels."""

    title: str
    classes: tuple[str, ...]
    multi_label: bool
    store: ImageStore
    labelled: Mapping[str, tuple[str, ...]]  # path → labels
    parts: Mapping[str, str]  # path → part, where the data has a split of its own
    unlabelled: Sequence[str]  # paths


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFolder:
    """What the review of a folder or a run needs."""

    dataset: Dataset  # as it is, without what people said of it
    images: FolderImages  # the same, with those that have no label
    labels: LabelsFile
    predictor: Predictor | None
    suspects: Sequence[SuspectLabel]  # the most doubtful label first
    options: DecodeOptions


def open_folder(request: ReviewRequest) -> OpenedFolder:
    """Read what is in a folder, or which images a run was trained on.

    Raises:
        UsageError: there is no such folder, or nothing says which classes there are.
        DataError: the data cannot be read.
        ModelError: the model file cannot be trusted.
    """
    folder, in_use = _named(request.source or "")
    is_run = (folder / REQUEST).is_file()
    if is_run:
        with understood(folder / REQUEST):
            data = DataRequest.from_dict(read_request(folder)["data"])
    else:
        data = DataRequest(source=request.source or "")
    model = request.model or in_use or (folder if is_run and (folder / MODEL).is_file() else None)
    predictor = None if model is None else Predictor.load(model)
    dataset = read_as_given(replace(data, labels=NO_LABELS, labels_state=None), is_run=is_run)
    labels = labels_of(data if request.labels is None else replace(data, labels=request.labels))
    if labels is None:
        raise UsageError(
            "the answers of a review have to be kept somewhere",
            "Name a file for them: `--labels FILE`." if request.labels is None else "Leave out `--labels none`.",
        )
    kept = LabelsFile(labels)
    said = sorted({name for one in kept.opinions() for name in one.labels})
    known = (*(() if predictor is None else predictor.classes), *(request.classes or ()), *dataset.classes, *said)
    images = folder_images(dataset, classes=known)
    if not images.classes:
        raise UsageError(
            f"{escape_path(folder)}: nothing says which classes there are",
            "Name them, `--classes cat,dog`, or a model that knows them: `--model MODEL`.",
        )
    return OpenedFolder(
        dataset=dataset,
        images=images,
        labels=kept,
        predictor=predictor,
        suspects=find_run_suspects(folder) if is_run else (),
        options=decode_options(data),
    )


def _named(source: str) -> tuple[Path, Path | None]:
    """The folder that a user names; for a registered name its run, with the model in use."""
    path = Path(source)
    if not follows_name(path):
        return path, None
    registered = find_name(models_folder(), path.name)
    run = run_of(registered, remedy="Name a folder of images: vidi review FOLDER --model " + registered.name)
    return run, registered.model


class FolderSource:
    """Images of a folder to review; what is said of them stands in a file beside it."""

    def __init__(
        self,
        images: FolderImages,
        items: Sequence[ReviewItem],
        paths: Mapping[str, Sequence[str]],
        labels: LabelsFile,
    ):
        self.images, self.labels = images, labels
        self._items = items
        self._paths = paths  # digest → paths of the files with these bytes
        self._claims: dict[str, tuple[str, float]] = {}  # digest → claimant, until

    @property
    def title(self) -> str:
        """What is reviewed, for people."""
        return self.images.title

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the model's probabilities."""
        return self.images.classes

    @property
    def multi_label(self) -> bool:
        """Whether an image may show several classes, or none."""
        return self.images.multi_label

    def items(self) -> Sequence[ReviewItem]:
        """Images to review, doubtful labels first."""
        return self._items

    def image(self, digest: str) -> bytes | None:
        """The bytes of an image file; None where it is gone."""
        try:
            return self.images.store.read(self._paths[digest][0])
        except ImageError:
            return None

    def opinions(self) -> list[Opinion]:
        """Everything that the file holds."""
        return self.labels.opinions()

    def add(self, opinions: Sequence[Opinion]) -> None:
        """Keep an answer as one line; it is on the disk when this returns."""
        each = ((one, path) for one in opinions for path in ((one.path,) if one.path else self._paths[one.digest]))
        self.labels.add([replace(one, path="" if is_outside(path) else path) for one, path in each])

    def undo(self, key: str, *, who: str, at: float) -> None:
        """Take an opinion back."""
        self.labels.undo(key, who=who, at=at)

    def claim(self, digest: str, claimant: str, *, until: float, now: float) -> bool:
        """Take an image; False where another window has it."""
        holder, end = self._claims.get(digest, (claimant, 0.0))
        if holder != claimant and end > now:
            return False
        self._claims[digest] = claimant, until
        return True

    def release(self, digest: str, claimant: str) -> None:
        """Give a claim up."""
        if self._claims.get(digest, ("", 0.0))[0] == claimant:
            del self._claims[digest]


def folder_images(dataset: Dataset, *, classes: Sequence[str] = ()) -> FolderImages:
    """The images of a data set, with those that lie in no class folder.

    Args:
        dataset: as it was read.
        classes: of the model, which come first; those of the data follow.
    """
    return FolderImages(
        title=dataset.name,
        classes=tuple(dict.fromkeys([*classes, *dataset.classes])),
        multi_label=dataset.multi_label,
        store=dataset.store,
        labelled={
            image.path: tuple(sorted(dataset.classes[label] for label in image.labels)) for image in dataset.images
        },
        parts={image.path: image.part for image in dataset.images if image.part is not None},
        unlabelled=[entry.path for entry in dataset.account.set_aside if entry.code == NO_CLASS],
    )
