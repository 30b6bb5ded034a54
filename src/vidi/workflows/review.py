"""`vidi review`: images for people to label, and the data set that their labels make."""

import contextlib
import getpass
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from vidi.data.checked import CONFLICT
from vidi.errors import ImageError, UsageError
from vidi.files import digest_of, escape_path
from vidi.images.store import ImageStore
from vidi.labelling import Answer, Settled, cap_sources, settle
from vidi.model_file.read import read_model
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.reviewing.desk import ReviewDesk
from vidi.workflows.reviewing.export import ExportedLabels, LabelledFile, write_labelled
from vidi.workflows.reviewing.from_folder import find_conflicting, review_items
from vidi.workflows.reviewing.labels_file import LabelsFile, read_labels
from vidi.workflows.reviewing.opening import FolderSource, open_folder


@contextlib.contextmanager
def open_review(
    request: ReviewRequest, *, events: Events = SILENCE, environment: Mapping[str, str]
) -> Iterator[ReviewDesk]:
    """Open a review: a log, a folder or a run.

    Args:
        request: what to review, and by whom.
        events: receives progress and messages.
        environment: variables of the process, for the log's password.

    Raises:
        UsageError: neither or both of a folder and a log were named, or there is no such folder.
        DataError: there is nothing to review.
        ModelError: the model file cannot be trusted.
        ResourceError: the log or the table of labels cannot be used.
    """
    _check(request)
    reviewer = getpass.getuser()
    if request.log is not None:
        from vidi.workflows.reviewing.from_log import LogSource, open_log

        with open_log(request, environment) as log:
            yield ReviewDesk(LogSource.of(log, model_id=_model_id(request), events=events), reviewer=reviewer)
        return
    opened = open_folder(request)
    with LabelsFile(opened.labels) as labels:
        items, paths = review_items(
            opened.images,
            predictor=opened.predictor,
            suspects=opened.suspects,
            options=opened.options,
            events=events,
        )
        yield ReviewDesk(FolderSource(opened.images, items, paths, labels), reviewer=reviewer)


def export_labels(
    request: ReviewRequest, *, events: Events = SILENCE, environment: Mapping[str, str]
) -> ExportedLabels:
    """Write the confirmed labels of a log, or a folder with its labels corrected, as a data set.

    Args:
        request: with `export`, the new folder.
        events: receives messages.
        environment: variables of the process, for the log's password.

    Raises:
        UsageError: neither or both of a folder and a log were named, or the new folder exists.
        ResourceError: the log cannot be read, or the data set not written.
    """
    _check(request)
    target = request.export
    if target is None:
        raise UsageError("no folder was named for the labels", "Name a new one: `--export DIR`.")
    if request.log is not None:
        return _export_log(request, target, environment, events)
    return _export_folder(request, target, events)


def commands_after(request: ReviewRequest) -> tuple[str, ...]:
    """What to type when the images are reviewed.

    >>> commands_after(ReviewRequest(source="my photos"))
    ("vidi review 'my photos' --export corrected", 'vidi train corrected')
    >>> commands_after(ReviewRequest(log="log.sqlite"))
    ('vidi retrain RUN --feedback log.sqlite',)
    """
    if request.log is not None:
        model = "RUN" if request.model is None else shlex.quote(escape_path(request.model))
        return (f"vidi retrain {model} --feedback {shlex.quote(request.log)}",)
    options = {"--labels": request.labels, "--classes": ",".join(request.classes or ()), "--model": request.model}
    named = [word for name, value in options.items() if value for word in (name, escape_path(value))]
    export = shlex.join(["vidi", "review", escape_path(request.source or ""), *named, "--export", "corrected"])
    return export, "vidi train corrected"


def _check(request: ReviewRequest) -> None:
    if (request.source is None) == (request.log is None):
        said = "both a folder and a log were named" if request.log else "neither a folder nor a log was named"
        raise UsageError(said, "Use `vidi review FOLDER`, `vidi review RUN` or `vidi review --log URL`.")


def _model_id(request: ReviewRequest) -> str | None:
    return None if request.model is None else read_model(request.model).model_id


def _export_log(request: ReviewRequest, target: Path, environment: Mapping[str, str], events: Events) -> ExportedLabels:
    """The images of a log whose label is confirmed, and which are kept."""
    from vidi.workflows.reviewing.from_log import confirmed_labels, open_log, shows_several
    from vidi.workflows.reviewing.items import write_settled

    with open_log(request, environment) as log:
        settled = cap_sources(
            confirmed_labels(log, model_id=_model_id(request)),
            others=_images_learned(request, events),
            weight=FEEDBACK_WEIGHT,
        )
        return write_settled(log, settled, target, multi_label=shows_several(log, model_id=_model_id(request)))


def _images_learned(request: ReviewRequest, events: Events) -> int:
    """How many images the model of a retraining has learned from: what one source's share is a share of."""
    learned = None if request.model is None else read_model(request.model).metadata.learnt_from
    if learned is None:
        events.say("no model says how many images it has learned from, so shares are those of the labels alone")
    return sum(one.image_count for one in learned or ())


def _export_folder(request: ReviewRequest, target: Path, events: Events) -> ExportedLabels:
    """The images of a folder: as people labelled them, else as the folder does where it gives them one label."""
    opened = open_folder(request)
    images = opened.images
    opinions = [one for _, one in read_labels(opened.labels)]
    said = {one.digest: one for one in settle(opinions, classes=images.classes, views={})}
    conflicting = find_conflicting(images, options=opened.options, events=events)
    left = Counter[str]()

    def labelled() -> Iterator[LabelledFile]:
        for path in (*images.labelled, *images.unlabelled):
            data = _bytes_of(images.store, path)
            one = None if data is None else said.get(digest_of(data))  # the same bytes have the same label everywhere
            answer = _answer(one, images.labelled.get(path))
            if one is None and path in conflicting:
                left[CONFLICT[0]] += 1
            elif answer is None:
                left["no label" if one is None else one.why or one.state] += 1
            else:
                yield LabelledFile(
                    name=PurePosixPath(path).name, answer=answer, data=data, is_confirmed=one is not None
                )

    return write_labelled(target, labelled(), left_out=left, multi_label=images.multi_label)


def _answer(one: Settled | None, given: tuple[str, ...] | None) -> Answer | None:
    """What people confirmed of an image, else what the folder says; None where neither says anything."""
    if one is None:
        return None if given is None else ("label", given) if given else ("none", ())
    return one.answer if one.state == "confirmed" else None


def _bytes_of(store: ImageStore, path: str) -> bytes | None:
    try:
        return store.read(path)
    except ImageError:
        return None
