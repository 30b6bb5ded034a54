"""TensorBoard: event files in the run folder, written by tensorboardX."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.files import escape_path
from vidi.workflows.tracking.tracker import Ending, TrackedResult, TrackedRun

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

EVENTS = "tensorboard"  # in the run folder


def open_run(run: TrackedRun) -> "TensorBoardRun":
    """Open event files in the run folder; after a resume there is one file more."""
    from tensorboardX import SummaryWriter

    folder = run.folder / EVENTS
    writer = SummaryWriter(logdir=str(folder))
    writer.add_text("data", _table(run.facts))
    return TensorBoardRun(writer, folder)


class TensorBoardRun:
    """Event files that are being written."""

    noted: Mapping[str, str] = {}  # the folder is known

    def __init__(self, writer: "SummaryWriter", folder: Path) -> None:
        self._writer, self._folder, self._last = writer, folder, 0

    @property
    def place(self) -> str:
        """The command that shows it."""
        return f"tensorboard --logdir {escape_path(self._folder.parent)}"

    def parameters(self, values: Mapping[str, str]) -> None:
        """As a table."""
        self._writer.add_text("recipe", _table(values))

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        """As points of curves, on disk at once."""
        for name, value in values.items():
            self._writer.add_scalar(name.replace(".", "/"), value, number)
        self._writer.flush()
        self._last = number

    def result(self, result: TrackedResult) -> None:
        """Figures and the result in words; model and report lie beside the events."""
        for name, value in result.figures.items():
            self._writer.add_scalar(name.replace(".", "/"), value, self._last)
        self._writer.add_text("recipe", _table(result.parameters), self._last)
        self._writer.add_text("result", result.sentence, self._last)

    def close(self, ending: Ending) -> None:  # noqa: ARG002  # event files do not say how a run ended
        """Write what is still held."""
        self._writer.close()


def _table(values: Mapping[str, str]) -> str:
    """Names and values as Markdown.

    >>> _table({"epochs": "3"})
    '| | |\\n| --- | --- |\\n| epochs | 3 |'
    """
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in values.items())])
