"""What training says while it runs, and the table it leaves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from vidi.files import read_csv_rows, write_csv_atomic

RESULTS = "results.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training run is."""

    epoch: int  # from 1
    epochs: float  # as planned now; the last may be a part of one
    step: int  # steps done
    steps: int  # as planned now
    loss: float  # mean over this epoch so far
    accuracy: float  # accuracy on this epoch's images so far, before each step
    validation_loss: float | None  # of the last whole epoch
    validation_accuracy: float | None
    images_per_second: float
    seconds_left: float  # until training ends as planned
    limited_by: str  # "arithmetic" or "preparing images"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """Where a search for a better recipe is."""

    doing: str  # which training: `trial 7`, `the default recipe once more`
    training: Progress  # where that is
    best_accuracy: float | None  # of the trials so far, on the validation images
    best_trial: int | None
    seconds_left: float  # until the whole search ends, at the latest


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One row of results.csv."""

    epoch: int  # from 1
    train_loss: float
    train_accuracy: float
    validation_loss: float | None  # cross-entropy without smoothing or weights; None without validation images
    validation_accuracy: float | None
    learning_rate: float  # at the epoch's end
    images_per_second: float
    seconds: float  # training and validation
    limited_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who follows a training."""

    progress: Callable[[Progress], None] = lambda _: None  # called after every step
    epoch: Callable[[EpochRow], None] = lambda _: None  # called when one has ended, but not again when resumed


NOBODY = Listener()


def write_results(folder: Path, history: Sequence[EpochRow]) -> None:
    """Write results.csv, whole."""
    names = [item.name for item in fields(EpochRow)]
    rows = ([_cell(getattr(row, name)) for name in names] for row in history)
    write_csv_atomic(folder / RESULTS, [names, *rows])


def _cell(value: float | str | None) -> object:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def read_results(folder: Path) -> tuple[EpochRow, ...]:
    """Read results.csv; empty without one.

    Raises:
        DataError: it is damaged.
    """
    return read_csv_rows(folder / RESULTS, _row, remedy="Delete it: the report is then made without its curves.")


def _row(cells: Mapping[str, str]) -> EpochRow:
    def number(name: str) -> float | None:
        return float(cells[name]) if cells[name] else None

    return EpochRow(
        epoch=int(cells["epoch"]),
        train_loss=float(cells["train_loss"]),
        train_accuracy=float(cells["train_accuracy"]),
        validation_loss=number("validation_loss"),
        validation_accuracy=number("validation_accuracy"),
        learning_rate=float(cells["learning_rate"]),
        images_per_second=float(cells["images_per_second"]),
        seconds=float(cells["seconds"]),
        limited_by=cells["limited_by"],
    )
