"""The folders that verbs write: a run's own, locked at once, never inside the data; only vidi's files are replaced."""

import contextlib
import errno
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vidi.data.project import find_moved, project_around
from vidi.errors import DataError, ResourceError, UsageError
from vidi.files import (
    LOCK_FILES,
    FolderLock,
    escape_path,
    holder_of,
    read_json,
    reserve_folder,
    unescape_path,
    write_atomic,
    writing_error,
)

if TYPE_CHECKING:
    from vidi.registry import RegisteredModel

MODEL = "model.onnx"
CHECKPOINT = "checkpoint.safetensors"
REPORT = "report.html"
RECIPE = "recipe.toml"
SPLITS = "splits.csv"
CHECK = "check.json"
MODEL_CARD = "model_card.md"
NEIGHBOURS = "neighbours"  # a folder: which training images look like a given one
STUDY = "study.json"  # what was found out about the images while it trained; goes into metrics.json
REQUEST = "run.json"  # what the run was asked for, so that it can be resumed
EVALUATION = "evaluation.json"  # what an evaluation was asked for, so that its report can be made again
BOXES = "boxes.json"  # how well boxes lie on true ones
TUNING = "tune.json"  # what a search for a better recipe was asked for and has found
TUNING_PAGE = "tune.html"
COMPARISON = "compare.json"  # what a comparison of two models was asked for and has found
GATE, GATE_PAGE = "gate.json", "gate.html"  # of a candidate: whether it is better than the model in use
RUN_SCHEMA = 2  # of these documents

Kind = Literal["run", "evaluation", "tuning", "comparison"]
NAMES: Mapping[Kind, str] = {
    "run": "a run",
    "evaluation": "an evaluation",
    "tuning": "a search of `vidi tune`",
    "comparison": "a comparison",
}
HOMES: Mapping[Kind, str] = {"run": "runs", "evaluation": "evaluations", "tuning": "runs", "comparison": "comparisons"}
WRITERS: Mapping[str, tuple[Kind, ...]] = {  # what only vidi's folders hold, and which of them
    MODEL: ("run",),
    RECIPE: ("run", "tuning"),
    SPLITS: ("run", "tuning"),
    CHECK: ("run", "tuning"),
    REQUEST: ("run",),
    EVALUATION: ("evaluation",),
    TUNING: ("tuning",),
    COMPARISON: ("comparison",),
}
MARKS = tuple(WRITERS)

_NAME_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
BESIDE = {"--sort-into": "sorted", "--output": "boxes"}  # what a folder beside the images may be called


def open_run_folder(
    output: Path | None, *, name: str, source: Path | None, kind: Kind = "run", overwrite: bool = False
) -> Path:
    """Make the folder of a new run or evaluation.

    Args:
        output: what the user asked for; None means `runs/NAME`, then `NAME-2` and so on; by kind in another folder.
        source: the folder of the data, which must stay as it is; None where the data is not a folder.
        kind: what will be written there; only what is of the same kind is ever replaced.

    Raises:
        UsageError: it exists, is a file, or lies inside the data.
        ResourceError: it cannot be written.
    """
    wanted = output if output is not None else Path(HOMES[kind])
    _refuse_inside(wanted, source)
    if output is None:
        return reserve_folder(wanted, safe_name(name))
    try:
        if os.path.lexists(output):
            require_free(output, kind=kind, overwrite=overwrite)
            _clear(output)
        os.makedirs(output, exist_ok=True)  # of two starts at one moment the folder's lock lets one go on
    except OSError as error:
        raise _cannot_make(error, output) from error
    return output


def discard_folder(folder: Path) -> None:
    """Delete an unused folder that this process holds."""
    empty_folder(folder)
    with contextlib.suppress(OSError):  # where locks cannot be deleted while they are held, an empty folder stays
        for lock in LOCK_FILES:
            (folder / lock).unlink(missing_ok=True)
        folder.rmdir()


def safe_name(text: str) -> str:
    """Return a name that works on every file system.

    >>> safe_name("my cats & dogs/")
    'my-cats-dogs'
    """
    words = "".join(sign if sign in _NAME_SIGNS else " " for sign in text).split()
    return "-".join(words).strip(".-")[:60] or "run"


def find_run(path: Path) -> Path:
    """Find the run folder that the user named.

    Raises:
        UsageError: it is not one.
    """
    folder = path.parent if path.is_file() else path
    if not any((folder / mark).exists() for mark in MARKS):
        raise UsageError(f"{escape_path(path)} is not a run folder", "`vidi runs` lists the runs that are here.")
    return folder


def write_request(folder: Path, values: Mapping[str, Any]) -> None:
    """Write the request of a run."""
    write_atomic(folder / REQUEST, json.dumps({"schema": RUN_SCHEMA, **values}, indent=1, default=str) + "\n")


def read_request(folder: Path) -> dict[str, Any]:
    """Read the request that `write_request` wrote.

    Raises:
        UsageError: the folder is no run of `vidi train`.
        DataError: its request is damaged.
    """
    values = read_document(folder, REQUEST, made_by="a run of `vidi train`")
    del values["schema"]
    return with_moved_data(values, folder)


def with_moved_data(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A request whose data is found where it is now, if its run is in a project that was moved.

    Raises:
        DataError: the project's file cannot be read.
    """
    project = project_around(folder)
    if project is None:
        return request
    with understood(folder):
        data = dict(request["data"])
        source = Path(data["source"])
        if source.is_absolute() and not source.exists() and project.source.exists():
            data["source"] = str(project.source)
        data["feedback"] = [find_moved(one, project) for one in data.get("feedback") or ()]
    return {**request, "data": data}


@contextlib.contextmanager
def understood(path: Path) -> Iterator[None]:
    """Take values from a JSON document of a run folder; one that holds other values than vidi writes is refused.

    Raises:
        DataError: a value is missing, or is not what it should be.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(
            f"{escape_path(path)} is not as vidi writes it",
            "Copy it again from its origin, or install the version of vidi that wrote it.",
        ) from error


def refuse_finished(folder: Path) -> None:
    """Refuse a run that is already finished.

    Raises:
        UsageError: the run's model is finished.
    """
    from vidi.model_file.read import read_model  # what only looks for a run or makes its folder is not to wait for it

    model = folder / MODEL
    if model.exists() and read_model(model).metadata.unfinished is None:
        raise UsageError(
            f"{escape_path(folder)} is finished",
            f"Start a new run from its weights: vidi train DATA --from {escape_path(folder)}",
        )


def _refuse_inside(wanted: Path, source: Path | None) -> None:
    if source is None or not source.is_dir():
        return
    root, place = source.resolve(), wanted.resolve()
    if place == root or root in place.parents:
        beside = root.parent / f"{root.name}-runs" / "run"
        raise UsageError(
            f"the output {escape_path(place)} is inside the data folder {escape_path(root)}",
            f"Write it beside the data: --output {escape_path(beside)}",
        )


def require_free(output: Path, *, kind: Kind, overwrite: bool) -> None:
    """Refuse an output that may not be written, before any work; nothing is changed.

    Raises:
        UsageError: it is a file, in use, or holds what may not be replaced.
    """
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise UsageError(f"{escape_path(output)} is a file", "Name a folder that does not exist yet with --output.")
    entries = _entries(output)
    owner = holder_of(output)
    if owner is not None:
        raise UsageError(
            f"{escape_path(output)} is in use by process {owner}", "Wait for it to finish, or choose another --output."
        )
    if not entries:
        return
    present = [mark for mark in MARKS if (output / mark).exists()]
    theirs = [mark for mark in present if kind not in WRITERS[mark]]
    if theirs:
        raise UsageError(
            f"{escape_path(output)} holds {NAMES[WRITERS[theirs[0]][0]]} ({theirs[0]})",
            "Choose another --output. Nothing was deleted.",
        )
    if not overwrite:
        other = {
            "run": ", replace it with --overwrite, or continue an interrupted run with --resume",
            "tuning": ", delete it, or continue an interrupted search with --resume",
        }
        choices = f"Choose another --output{other.get(kind, ', or delete it')}."
        if kind == "run" and (output / REQUEST).exists() and not (output / REPORT).exists():
            raise UsageError(
                f"{escape_path(output)} holds a run that was interrupted",
                f"Continue it: vidi train --resume {escape_path(output)}. Or replace it with --overwrite.",
            )
        raise UsageError(f"{escape_path(output)} exists already", choices)
    if not present:
        raise UsageError(
            f"{escape_path(output)} holds {len(entries)} files that vidi did not write",
            "Nothing was deleted. Choose another --output.",
        )


def _clear(output: Path) -> None:
    """Empty an earlier run's folder; its lock stays."""
    if _entries(output):  # of an empty one the folder's lock decides which of two starts goes on
        with FolderLock(output):
            empty_folder(output)


def empty_folder(folder: Path) -> None:
    """Delete what a folder holds beside its lock, which this process holds.

    Raises:
        ResourceError: something in it cannot be deleted.
    """
    for entry in _entries(folder):
        _delete(entry)


def _entries(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.name not in LOCK_FILES]


def _delete(entry: Path) -> None:
    try:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    except OSError as error:
        raise writing_error(error, entry) from error


def _cannot_make(error: OSError, output: Path) -> UsageError | ResourceError:
    if isinstance(error, NotADirectoryError | FileExistsError):
        return UsageError(f"{escape_path(output)} is inside a file", "Name a folder with --output.")
    if isinstance(error, PermissionError):
        return ResourceError(
            f"{escape_path(output)} cannot be created: {error.strerror}",
            f"Choose a folder where you may write: --output {escape_path(Path.home() / 'vidi-runs' / 'run')}",
        )
    if error.errno == errno.ENAMETOOLONG:
        return UsageError(f"the path {escape_path(output)[:80]}… is too long", "Choose a shorter --output.")
    return writing_error(error, output)


def read_document(folder: Path, name: str, *, made_by: str) -> dict[str, Any]:
    """The JSON document that a verb has left in its folder.

    Raises:
        UsageError: the folder holds none, or one of another version.
        DataError: it is damaged.
    """
    try:
        with understood(folder / name):
            document = dict(read_json(folder / name))
            schema = document["schema"]
    except OSError as error:
        lacks = f"holds no {name}" if folder.exists() else "does not exist"
        raise UsageError(f"{escape_path(folder)} {lacks}", f"Name the folder of {made_by}.") from error
    if schema != RUN_SCHEMA:
        raise UsageError(
            f"{escape_path(folder)} was written by another version of vidi", "Use that version to read it."
        )
    return document


def read_tuning(folder: Path) -> dict[str, Any]:
    """The document of a search; raises like `read_document`."""
    return read_document(folder, TUNING, made_by="a search by `vidi tune`")


def run_of(registered: "RegisteredModel", *, remedy: str) -> Path:
    """The run folder that the model in use came from.

    Raises:
        UsageError: the folder is no run any more.
    """
    folder = Path(unescape_path(registered.current.origin))
    project = project_around(registered.folder)
    if project is not None:
        folder = Path(find_moved(str(folder), project))
    if not (folder / REQUEST).is_file():
        raise UsageError(f"{registered.name} came from {escape_path(folder)}, which is no run folder any more", remedy)
    return folder


def check_folder_apart(folder: Path, inputs: Sequence[str], *, flag: str) -> None:
    """Refuse to write images into the input folder, where the next run would read them.

    Raises:
        UsageError: the folder lies in an input folder, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{escape_path(folder)} is a file", f"Name a folder for `{flag}`.")
    for text in inputs:
        given = Path(text)
        if given.is_dir() and folder.resolve().is_relative_to(given.resolve()):
            raise UsageError(
                f"{escape_path(folder)} is inside the input folder {escape_path(given)}",
                f"Name a folder beside it, such as {escape_path(given.resolve().parent / BESIDE[flag])}.",
            )


MARK = b'<meta name="generator" content="vidi'  # of every page that vidi writes
HEAD_BYTES = 4_096  # in which the mark stands


def require_own(page: Path, *, mark: bytes = MARK) -> None:
    """Refuse to replace files that vidi did not write.

    Args:
        mark: stands at the head of every file of its kind that vidi writes.

    Raises:
        UsageError: the path is taken by something else.
    """
    try:
        with page.open("rb") as stream:
            is_own = mark in stream.read(HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError:  # a folder, or one that may not be read
        is_own = False
    if not is_own:
        raise UsageError(
            f"{escape_path(page)} already exists, and vidi did not write it",
            "Nothing was replaced. Choose another folder with --output.",
        )


def page_names(paths: Sequence[str], *, suffix: str = ".html") -> list[str]:
    """A name for the page of each path: the file's own, and a number where two are called alike.

    >>> page_names(["a/cat.jpg", "b/cat.jpg", "-"])
    ['cat.html', 'cat-2.html', 'standard-input.html']
    """
    names: list[str] = []
    taken: set[str] = set()
    last: Counter[str] = Counter()
    for path in paths:
        stem = "standard-input" if path == "-" else Path(path).stem
        stem = re.sub(r'[/\\:*?"<>|%]', "_", escape_path(stem)).strip(". ")[:80] or "image"
        name, number = f"{stem}{suffix}", max(last[stem], 1)
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        last[stem] = number
        taken.add(name.casefold())
        names.append(name)
    return names
