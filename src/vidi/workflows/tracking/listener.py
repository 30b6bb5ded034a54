"""A listener that informs a tracker, beside the training and never at its cost; at the end of the finished folder."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue

from vidi.errors import MissingPackageError, UnknownNameError
from vidi.evaluation.evaluate import Evaluation
from vidi.evaluation.run_files import METRICS, PREDICTIONS, read_run
from vidi.report.words.sentences import first_line
from vidi.training.loop.progress import RESULTS, EpochRow
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.events import (
    EpochEnded,
    Event,
    Events,
    RunFinished,
    StepDone,
    TrainingStarted,
)
from vidi.workflows.interaction.run_folder import CHECK, MODEL, MODEL_CARD, RECIPE, REPORT, SPLITS
from vidi.workflows.tracking import to_mlflow, to_tensorboard
from vidi.workflows.tracking.tracker import (
    Ending,
    TrackedResult,
    TrackedRun,
    Tracker,
    TrackerKind,
    describe_failure,
    write_noted,
)

SECONDS_AT_END = 120.0  # for what a tracker has not yet taken when everything else is done
EPOCH_FIGURES = tuple(item.name for item in fields(EpochRow) if item.name not in ("epoch", "limited_by"))
TRACKERS: Mapping[str, TrackerKind] = {
    "mlflow": TrackerKind(
        title="MLflow",
        extra="mlflow",
        packages=("mlflow", "sqlalchemy", "alembic", "pandas"),
        check=to_mlflow.check_address,
        open=to_mlflow.open_run,
    ),
    "tensorboard": TrackerKind(
        title="TensorBoard",
        extra="tensorboard",
        packages=("tensorboardX",),
        open=to_tensorboard.open_run,
    ),
}
FILES = (REPORT, MODEL_CARD, METRICS, PREDICTIONS, RESULTS, RECIPE, SPLITS, CHECK)


@contextmanager
def tracked(kind: TrackerKind | None, name: str, run: TrackedRun, *, events: Events) -> Iterator[Events]:
    """Give a listener that also tells a tracker, and close the tracker's run at the end.

    Args:
        kind: the tracker; None for none.
        events: the listener that the user sees; it also hears when the tracking fails.

    Raises:
        VidiError: the tracker cannot be opened.
    """
    if kind is None:
        yield events
        return
    tracker = kind.open(run)
    write_noted(run.folder, name, tracker.noted)
    events.say(f"{kind.title}: {tracker.place}")
    listener = TrackingListener(tracker, title=kind.title, say=events.say)

    def tell(event: Event) -> None:
        events.tell(event)
        listener.tell(event)

    try:
        yield Events(tell)
    except BaseException as error:
        listener.close("failed" if isinstance(error, Exception) else "interrupted", SECONDS_AT_END)
        raise
    listener.close("finished" if listener.is_finished else "interrupted", SECONDS_AT_END)


class TrackingListener:
    """Hands events to a thread of its own, which informs the tracker; the first error ends that, and is reported."""

    def __init__(self, tracker: Tracker, *, title: str, say: Callable[[str], None]) -> None:
        self.is_finished = False
        self._tracker, self._title, self._say = tracker, title, say
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._failure, self._failure_is_told = "", False
        self._thread = threading.Thread(target=self._work, name="vidi-tracking", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Hand over what concerns the tracker; messages, progress and searches are for the user."""
        match event:
            case StepDone():  # the first moment at which a failure can be reported without tearing a line
                self._tell_failure()
            case TrainingStarted(recipe):  # what training measures itself comes with the result
                values = {name: value for name, value in parameters_of(recipe).items() if value != "auto"}
                self._waiting.put(lambda: self._tracker.parameters(values))
            case EpochEnded(row, member):
                figures = epoch_figures(row, member)
                self._waiting.put(lambda: self._tracker.epoch(row.epoch, figures))
            case RunFinished(folder):
                self.is_finished = True
                self._waiting.put(lambda: self._tracker.result(read_result(folder)))

    def close(self, ending: Ending, seconds: float) -> None:
        """Wait until the tracker has taken everything, but no longer than that."""
        self._waiting.put(lambda: self._tracker.close(ending))
        self._waiting.put(None)
        until = time.monotonic() + seconds
        self._thread.join(seconds)
        self._tell_failure()
        if self._thread.is_alive() and time.monotonic() >= until:
            self._say(
                f"warning: {self._title} has not taken everything within {seconds:.0f} s. The run folder holds it all"
            )

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            if self._failure:
                continue  # what it misses is in the run folder
            try:
                job()
            except Exception as error:  # a tracker and its server may fail in any way
                self._failure = describe_failure(error)

    def _tell_failure(self) -> None:
        if self._failure and not self._failure_is_told:
            self._failure_is_told = True
            self._say(
                f"warning: {self._title} takes no more: {self._failure}. Training goes on; what {self._title} misses "
                "is in the run folder, all the same"
            )


def epoch_figures(row: EpochRow, member: int) -> dict[str, float]:
    """An epoch's finite figures by name; those of an ensemble's members under their numbers."""
    prefix = f"member-{member}." if member else ""
    known = {name: getattr(row, name) for name in EPOCH_FIGURES}
    return {prefix + name: float(value) for name, value in known.items() if value is not None and math.isfinite(value)}


def find_tracker(name: str | None, trackers: Mapping[str, TrackerKind] = TRACKERS) -> TrackerKind | None:
    """The tracker that the user named, found fit for use; None where none was named.

    Raises:
        UnknownNameError: there is no such tracker.
        MissingPackageError: its packages are not installed.
        ResourceError: it cannot be reached.
    """
    if name is None:
        return None
    if name not in trackers:
        raise UnknownNameError(f"no tracker is called {name!r}", f"Use one of: {', '.join(trackers)}.")
    kind = trackers[name]
    missing = [package for package in kind.packages if find_spec(package) is None]
    if missing:
        raise MissingPackageError(
            f"--track {name} needs {', '.join(missing)}, which is not installed",
            f'Install it: pip install "vidi[{kind.extra}]"',
        )
    kind.check()
    return kind


def read_result(folder: Path) -> TrackedResult:
    """What a tracker receives at the end.

    Raises:
        DataError: a file in it is damaged.
    """
    run = read_run(folder)
    recipe = Recipe.from_toml((folder / RECIPE).read_text("utf-8"))
    return TrackedResult(
        parameters=parameters_of(recipe),
        figures={} if run.metrics.parts.test is None else figures_of(run.metrics.parts.test),
        files=tuple(folder / name for name in FILES if (folder / name).is_file()),
        model=folder / MODEL,
        sentence=first_line(run.metrics),
    )


def parameters_of(recipe: Recipe) -> dict[str, str]:
    """The recipe's values by the names that `--set` takes.

    >>> parameters_of(Recipe())["augmentation.flip"]
    'none'
    """
    return {name: _text(value) for name, value in _flat(recipe.as_dict()) if not name.startswith("sources.")}


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _text(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def figures_of(test: Evaluation) -> dict[str, float]:
    """The headline figures on the test images, by name; what has no data is left out."""
    named = {
        "test.images": float(test.image_count),
        "test.accuracy": test.accuracy.value,
        "test.accuracy_low": test.accuracy.low,
        "test.accuracy_high": test.accuracy.high,
        "test.balanced_accuracy": test.macro.recall.value,
        "test.macro_precision": test.macro.precision.value,
        "test.macro_f1": test.macro.f1.value,
        "test.log_loss": test.log_loss.value,
        "test.brier_loss": test.brier_loss.value,
        "test.calibration_error": test.calibration.error,
    }
    return {name: value for name, value in named.items() if value is not None}
