"""Reading the requested data, without torch."""

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.inputs import FoundInputs, find_paths
from vidi.data.joined import JoinedStore, join_feedback
from vidi.data.labels import NO_LABELS, find_labels, read_labels
from vidi.data.project import IMAGES, is_project, project_around
from vidi.data.read import ReadOptions, read_dataset, require_learnable
from vidi.data.readers.class_folders import NO_CLASS
from vidi.data.readers.source import open_source
from vidi.errors import DataError, UsageError, VidiError
from vidi.files import escape_path
from vidi.images.account import Account, Entry
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.run_folder import SPLITS
from vidi.workflows.requests.data import DataRequest

if TYPE_CHECKING:
    from vidi.model_file.metadata import ModelMetadata

# Photographs of `--background`: as many are searched, and fewer than that teach nothing.
MOST_BACKGROUNDS, LEAST_BACKGROUNDS = 400, 2


def read_source(
    request: DataRequest,
    *,
    rest: str | None = None,
    usually_positive: str | None = None,
) -> Dataset:
    """Read the requested data set; one class is enough.

    Args:
        rest: name of the class of all images without `request.positive`; `not NAME` by default.
        usually_positive: the positive class of data that names it, and no class `not NAME`.

    Raises:
        UsageError: the source or a class is not there.
        DataError: no images found with a class.
    """
    # What readers are asked for stands under the same name in both: an option that is added to them is passed on.
    asked = {one.name: getattr(request, one.name) for one in fields(ReadOptions) if hasattr(request, one.name)}
    options = ReadOptions(rest=rest, usually_positive=usually_positive, **asked)
    if request.proposals is None:
        dataset = read_dataset(request.source, options)
    else:
        dataset = _cropped(request, options, Path(request.proposals))
    if not request.feedback:
        return dataset
    found = ((source, read_feedback(request, source)) for source in request.feedback)
    return join_feedback(
        dataset,
        [_with_asked_classes(one, dataset, request) if _is_kept_by_project(source) else one for source, one in found],
    )


def _cropped(request: DataRequest, options: ReadOptions, detector: Path) -> Dataset:
    """The boxes in the requested images; an image may show several classes where each of its boxes shows one."""
    from vidi.detection.crops import crop_scenes  # scipy and onnxruntime, which most readings do without

    try:
        scenes = read_dataset(request.source, options)
    except DataError:
        if request.positive is not None:
            raise
        scenes = replace(read_dataset(request.source, replace(options, multi_label=True)), multi_label=False)
    return crop_scenes(scenes, detector)


def read_as_given(data: DataRequest, *, is_run: bool = False, may_be_empty: bool = False) -> Dataset:
    """The data set as it is; images that lie in a folder without any class are all unlabelled.

    Args:
        data: how it is read.
        is_run: the images are those of a run, which had classes.
        may_be_empty: a folder without any image is no error.

    Raises:
        UsageError: the source is not there.
        DataError: it cannot be read, or holds no image.
    """
    folder = Path(data.source)
    try:
        return read_source(data)
    except DataError:
        if not folder.is_dir():
            raise
        found = _without_labels(data.source, allow_outside=data.allow_outside)
        paths = [entry.path for entry in found.account.set_aside]
        if is_run or not (paths or may_be_empty) or any("/" in path for path in paths):
            raise
    return found


def labels_of(request: DataRequest) -> Path | None:
    """Where what people say of the requested images is kept; None where nothing is, or could be beside the data.

    The file need not be there.
    """
    if request.labels is not None:
        return None if request.labels == NO_LABELS else Path(request.labels)
    return find_labels(request.source) if Path(request.source).exists() else None


def labels_state_of(request: DataRequest) -> str | None:
    """Which lines of a labels file a reading of the requested images would know now."""
    kept = labels_of(request)
    return None if kept is None else read_labels(kept).state


def labelled_in_project(run: Path, data: DataRequest) -> str | None:
    """The images that a run's project keeps with labels, beside those that it reads in place; None without any.

    Raises:
        DataError: the labels file or the project's file is damaged.
    """
    project = project_around(run)
    folders = () if project is None else project.kept_beside
    return next((str(one) for one in folders if read_feedback(data, str(one)).images), None)


def read_feedback(request: DataRequest, source: str) -> Dataset:
    """Read labelled images from use, with the classes as the model names them.

    Of the images of a project there may be none with a label.

    Raises:
        UsageError: it is not there.
        DataError: no images found with a class.
    """
    kept = labels_of(request)
    options = ReadOptions(
        multi_label=request.multi_label,
        allow_outside=request.allow_outside,
        labels=NO_LABELS if kept is None or not kept.exists() else str(kept),
        labels_state=request.labels_state,
    )
    try:
        return read_dataset(source, options)
    except DataError:
        if not _is_kept_by_project(source):
            raise
        return _without_labels(source, allow_outside=request.allow_outside)


def _is_kept_by_project(source: str) -> bool:
    return Path(source).name == IMAGES and is_project(Path(source).parent)


def _without_labels(source: str, *, allow_outside: bool) -> Dataset:
    """The images of a folder, none of which has a label."""
    opened = open_source(Path(source), allow_outside=allow_outside)
    return Dataset(
        name=Path(source).name,
        source=source,
        reader="class-folders",
        classes=(),
        images=tuple[LabelledImage, ...](),
        store=opened.store,
        account=Account(
            set_aside=[Entry(one.path, NO_CLASS, "It lies in no class folder.") for one in opened.scan.files]
        ),
    )


def _with_asked_classes(kept: Dataset, dataset: Dataset, request: DataRequest) -> Dataset:
    """What a project keeps beside its data, with the classes that are asked for of the data alone."""
    classes = dataset.classes
    is_pair = request.positive is not None or classes[1:] == (f"not {classes[0]}",)
    if not is_pair and request.classes is None:
        return kept
    number = {name: classes.index(name) for name in kept.classes if name in classes}
    if is_pair:
        number |= {name: 1 for name in kept.classes if name not in classes}
    new = [
        replace(
            image, labels=frozenset(number[kept.classes[one]] for one in image.labels if kept.classes[one] in number)
        )
        for image in kept.images
    ]
    aside = [Entry(one.path, "other-class", "It shows none of the chosen classes.") for one in new if not one.labels]
    images = tuple(one for one in new if one.labels)
    account = replace(kept.account, used=len(images), set_aside=[*kept.account.set_aside, *aside])
    return replace(kept, classes=classes, images=images, account=account)


def read_for_model(request: DataRequest, metadata: "ModelMetadata") -> Dataset:
    """Read the requested data set with the classes of a finished model.

    For a model that tells NAME from `not NAME`, data with a class NAME and others has these two classes. `positive`
    does the same for a model that tells it from one other class, whatever that is called. For a model whose images may
    show several classes, those of the data may, too.

    Raises:
        UsageError: the source or a class is not there.
        DataError: no images found with a class.
    """
    classes = metadata.classes
    if metadata.multi_label:
        return read_source(replace(request, multi_label=True))
    if request.positive in classes and len(classes) == 2:
        (rest,) = (name for name in classes if name != request.positive)
        return read_source(request, rest=rest)
    question = next((name for name in classes if f"not {name}" in classes), None) if len(classes) == 2 else None
    return read_source(request, usually_positive=question if request.positive is None else None)


def read_requested(request: DataRequest) -> Dataset:
    """Read the requested data set, if it can be used for training.

    Raises:
        UsageError: the source or a class is not there.
        DataError: it cannot be used for training.
    """
    dataset = read_source(request)
    require_learnable(dataset)
    return dataset


def find_backgrounds(request: DataRequest) -> FoundInputs:
    """Find the photographs that show none of the classes; of very many, evenly spaced ones.

    Raises:
        UsageError: no such folder, or no image in it.
    """
    name = str(request.background)
    remedy = "Name a folder or archive of photographs that show none of the classes."
    if not Path(name).exists():
        raise UsageError(f"--background {escape_path(name)}: no such folder", remedy)
    found = find_paths([name], request.allow_outside)
    if not found or not (found[0].paths or found[0].account.refused):
        raise UsageError(f"--background {escape_path(name)}: no images found", remedy)
    step = max(1, -(-len(found[0].paths) // MOST_BACKGROUNDS))
    return found[0]._replace(paths=found[0].paths[::step])


def open_store(data: DataRequest, events: Events) -> ImageStore | None:
    """Open the images if they still exist; otherwise report that they cannot be shown."""
    try:
        store = read_source(replace(data, labels=NO_LABELS, labels_state=None, feedback=())).store
        others = tuple(read_feedback(data, source).store for source in data.feedback)
        return JoinedStore(store, others) if others else store
    except VidiError as error:
        events.say(f"the page shows no images: {error.cause}")
        return None


def decode_options(request: DataRequest) -> DecodeOptions:
    """Return the requested decoding rules."""
    return DecodeOptions(keep_truncated=request.keep_truncated)


def split_file_of(request: DataRequest) -> Path | None:
    """Return the requested splits.csv; None without one.

    Raises:
        UsageError: it is not there.
    """
    if request.split_file is None:
        return None
    path = Path(request.split_file)
    path = path / SPLITS if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"--split {request.split_file}: no such file", "Create one: `vidi split DATA -o FILE`")
    return path
