"""`vidi predict`: find the inputs, classify them, count every path, and copy images by class."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.data.inputs import FoundInputs
from vidi.errors import UsageError
from vidi.files import TEMPORARY_PREFIX, escape_path, folder_name, writing_error
from vidi.images.account import Account, Entry
from vidi.images.decode import DEFAULT
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.prediction.prediction import Answer, Prediction
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.inputs import each_group, refusal

if TYPE_CHECKING:
    from vidi.workflows.log import AnswerLogger


AnswersOf = Callable[[FoundInputs], Iterator[Answer]]


def predict_inputs(
    predictor: Predictor,
    found: Sequence[FoundInputs],
    account: Account,
    *,
    answers_of: AnswersOf | None = None,
    sort_into: Path | None = None,
    log: "AnswerLogger | None" = None,
) -> Iterator[Answer]:
    """Classify all inputs: one answer per image or refused path, in their order.

    Args:
        account: is filled while the answers are taken; complete when they are used up.
        answers_of: gives the answers about a group, in its order; computed here by default.
        sort_into: also copy each image into the folder of its class in here; nothing is ever overwritten.

    Raises:
        DataError: the inputs hold no image and nothing that was meant as one.
        UsageError: images are to be sorted by a model that may say several classes of one.
        ResourceError: a copy cannot be written.
    """
    if sort_into is not None and predictor.metadata.multi_label:
        raise UsageError(
            "this model is multi-label, so an image has no single folder",
            "Leave out `--sort-into`; `--csv` lists the predicted classes of each image.",
        )
    for group in each_group(found, account):
        yield from (Answer(path=entry.path, outcome=refusal(entry)) for entry in group.account.refused)
        answers = (answers_of or answered_here(predictor, is_logged=log is not None))(group)
        for answer in answers if log is None else log.passing(answers, group.store):
            if answer.error is not None:
                account.refused.append(Entry(answer.path, answer.error.code, answer.error.cause))
            else:
                account.used += 1
                if sort_into is not None:
                    copy_by_class(answer, group.store, sort_into)
            yield answer


def answered_here(
    predictor: Predictor, *, options: DecodeOptions = DEFAULT, workers: int | None = None, is_logged: bool
) -> AnswersOf:
    """What answers about a group in this process, with what a log holds of each image where there is one."""
    return lambda group: predictor.predict_files(
        group.paths, store=group.store, options=options, workers=workers, embedding=is_logged, statistics=is_logged
    )


def copy_by_class(answer: Answer, store: ImageStore, folder: Path) -> Path:
    """Copy one image to FOLDER/CLASS/NAME, or to NAME-2, NAME-3 … if that name is taken.

    Returns:
        Where the image lies now; an equal copy that was there already counts.

    Raises:
        ResourceError: the copy cannot be written; no half of it is left.
    """
    if answer.prediction is None:
        raise UsageError(f"{escape_path(answer.path)} has no class", "Copy only images that were classified.")
    data = store.read(answer.path)
    name = Path(os.path.basename(answer.path) if answer.path != "-" else "standard-input")
    target_folder = folder / folder_name(_sorted_as(answer.prediction))
    number = 1
    while True:
        target = target_folder / (name if number == 1 else f"{name.stem}-{number}{name.suffix}")
        try:
            _write_new(target, data)
        except FileExistsError:
            if _holds(target, data):
                return target
            number += 1
        except OSError as error:
            raise writing_error(error, target) from error
        else:
            return target


def _sorted_as(prediction: Prediction) -> str:
    """The class that decides for an image: the one at the operating point, where it is one, else the most probable."""
    decided = prediction.decision or ()
    return decided[0] if len(decided) == 1 else prediction.label


def _write_new(target: Path, data: bytes) -> None:
    """Make a file whole under a name that nothing has yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        _name_new(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _name_new(temporary: Path, target: Path) -> None:
    """Give a finished file its name, never another's: a link fails where the name is taken, a rename does not."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as FAT
        os.close(os.open(target, os.O_CREAT | os.O_EXCL))
        os.replace(temporary, target)


def _holds(path: Path, data: bytes) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    return False
