"""`vidi runs`: the registered models and the runs on this disk, with their data, accuracy and size."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidi.errors import UsageError
from vidi.evaluation.document import Metrics
from vidi.evaluation.run_files import METRICS
from vidi.evaluation.scores import Estimate
from vidi.files import LOCK_FILES, FolderLock, escape_path, holder_of, read_json, writing_error
from vidi.model_file.registered import models_folder
from vidi.numbers import percent
from vidi.registry import list_registered
from vidi.workflows.interaction.run_folder import CHECKPOINT, EVALUATION, MARKS, MODEL, REQUEST, TUNING, empty_folder

UNREADABLE, REGISTERED = "unreadable", "registered"
STATES = {
    "finished": "not tested",
    "running": "running",
    "interrupted": "interrupted: continue with --resume",
    "failed": "failed",
}


@dataclass(frozen=True, slots=True)
class ListedRun:
    """Summary of one run folder."""

    name: str
    data: str
    accuracy: Estimate | None  # None where it was not tested
    byte_count: int
    date: str  # ISO 8601, of the model
    kind: str = "run"  # run, evaluation, tuning, registered or unreadable
    finding: str = ""  # of a search by `vidi tune`
    state: str = "finished"  # of a run: finished, running, interrupted or failed
    version: str | None = None  # of a registered model, the one in use

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "name": escape_path(self.name),
            "data": escape_path(self.data),
            "accuracy": None if self.accuracy is None else self.accuracy.as_json(),
            "bytes": self.byte_count,
            "date": self.date,
            "kind": self.kind,
            "state": self.state,
            "finding": self.finding or None,
            "version": self.version,
        }


def list_models() -> list[ListedRun]:
    """List the registered models with the version in use, by name.

    Raises:
        ModelError: the history of one is damaged.
    """
    listed = []
    for one in list_registered(models_folder()):
        used = one.current
        metrics = _metrics(one.folder / used.version / METRICS)
        listed.append(
            ListedRun(
                name=one.name,
                data=used.origin,
                accuracy=None if metrics.parts.test is None else metrics.parts.test.accuracy,
                byte_count=_size_of(one.folder),
                date=used.at,
                kind=REGISTERED,
                version=used.version,
            )
        )
    return listed


def list_runs(folder: Path) -> list[ListedRun]:
    """List the run folders in a folder, by name.

    Raises:
        UsageError: the folder is not there.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{escape_path(folder)} is not a folder", "Go to the folder in which you trained, or name it: vidi runs DIR"
        )
    found = (_look_at_any(path) for path in sorted(_entries(folder)))
    return [run for run in found if run is not None]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"{escape_path(folder)} cannot be read: {error.strerror}",
            "Check the folder's permissions, or name another folder.",
        ) from error


def _look_at_any(path: Path) -> ListedRun | None:
    """A run at a glance; None where a file or folder is none. What may not be looked into is listed as that."""
    try:
        is_run = path.is_dir() and any((path / mark).exists() for mark in MARKS)
    except OSError:
        return ListedRun(path.name, data="", accuracy=None, byte_count=0, date="", kind=UNREADABLE)
    return _look_at(path) if is_run else None


def delete_run(folder: Path, name: str) -> int:
    """Delete one run and return how many bytes that freed; a run that is being written is left alone.

    Raises:
        UsageError: no such run, or it is in use.
        ResourceError: it cannot be deleted.
    """
    path = folder / name
    if path.parent != folder or name not in {run.name for run in list_runs(folder)}:
        raise UsageError(f"{escape_path(name)} is not a run in {escape_path(folder)}", "`vidi runs` lists them.")
    freed = _size_of(path)
    with FolderLock(path):
        empty_folder(path)
    try:
        for lock in LOCK_FILES:
            (path / lock).unlink(missing_ok=True)
        path.rmdir()
    except OSError as error:
        raise writing_error(error, path) from error
    return freed


def run_rows(runs: Sequence[ListedRun]) -> list[tuple[str, ...]]:
    """Return the runs as table rows, headings first."""
    rows: list[tuple[str, ...]] = [("run", "accuracy (95 %)", "tested on", "size", "date", "data")]
    for run in runs:
        accuracy = run.accuracy or Estimate(None, None, 0)
        shown = STATES[run.state] if accuracy.value is None else f"{percent(accuracy.value, digits=1)}"
        if accuracy.value is not None and accuracy.interval is not None:
            shown += f" ({percent(accuracy.low, digits=1)} to {percent(accuracy.high, digits=1)})"
        if run.kind == UNREADABLE:
            shown = "cannot be read"
        if run.kind == "tuning":
            shown = f"search: {run.finding}"
        tested, size = f"{accuracy.image_count:,}", f"{run.byte_count / 1e6:,.1f} MB"
        name = f"{run.name} (version {run.version})" if run.kind == REGISTERED else run.name
        rows.append((escape_path(name), shown, tested, size, run.date[:16], escape_path(run.data)))
    return rows


def _look_at(path: Path) -> ListedRun:
    if (path / TUNING).exists():
        return _look_at_search(path)
    request, metrics = _json(path / REQUEST), _metrics(path / METRICS)
    return ListedRun(
        name=path.name,
        data=_source(request),
        accuracy=None if metrics.parts.test is None else metrics.parts.test.accuracy,
        byte_count=_size_of(path),
        date="" if metrics.origin.model is None else metrics.origin.model.date or "",
        kind="evaluation" if (path / EVALUATION).exists() else "run",
        state=_state_of(path),
    )


def _state_of(path: Path) -> str:
    """How far a run came: one without a model that can go on was interrupted, one that cannot has failed."""
    if holder_of(path) is not None:
        return "running"
    if (path / METRICS).exists() or not (path / REQUEST).exists():
        return "finished"
    if (path / CHECKPOINT).exists():
        return "interrupted"
    return "finished" if (path / MODEL).exists() else "failed"


def _look_at_search(path: Path) -> ListedRun:
    found = _json(path / TUNING)
    request, finding = _inner(found, "request"), _inner(found, "finding")
    return ListedRun(
        name=path.name,
        data=_source(_inner(request, "training")),
        accuracy=None,
        byte_count=_size_of(path),
        date=str(found.get("date", "")),
        kind="tuning",
        finding=str(finding.get("sentence", "not finished")),
    )


def _inner(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in a document; empty where something else stands there."""
    inner = values.get(name)
    return inner if isinstance(inner, dict) else {}


def _source(request: Mapping[str, Any]) -> str:
    return str(_inner(request, "data").get("source", "?"))


def _metrics(path: Path) -> Metrics:
    """Return what the file says; a damaged one says nothing."""
    with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
        return Metrics.from_json(_json(path))
    return Metrics()


def _json(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        values = read_json(path)
        if isinstance(values, dict):
            return values
    return {}


def _size_of(path: Path) -> int:
    total = 0
    for entry in path.rglob("*"):
        with contextlib.suppress(OSError):
            total += entry.lstat().st_size
    return total
