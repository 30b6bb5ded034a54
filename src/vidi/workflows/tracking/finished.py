"""A finished run folder as trackers take it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.evaluation import Evaluation
from vidi.evaluation.run_files import METRICS, PREDICTIONS, RunFiles, read_run
from vidi.figures.learning import plot_learning
from vidi.figures.reliability import plot_reliability
from vidi.figures.svg import INK, draw_pixels
from vidi.report.pictures.drawings import LEAST_EPOCHS, best_epoch, reliability_bins
from vidi.report.words.sentences import first_line
from vidi.training.loop.progress import RESULTS, read_results
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.run_folder import CHECK, MODEL, MODEL_CARD, RECIPE, REPORT, SPLITS
from vidi.workflows.tracking.tracker import TrackedResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILES = (REPORT, MODEL_CARD, METRICS, PREDICTIONS, RESULTS, RECIPE, SPLITS, CHECK)
MOST_NAMED = 20  # classes whose names and counts can be read in a confusion matrix
INCH_EACH, LEAST_INCHES, MOST_INCHES = 0.35, 3.0, 9.0
DARK = 0.6  # share of a row from which its count is written in white


def read_result(folder: Path) -> TrackedResult:
    """What a tracker receives at the end.

    Args:
        folder: of a finished run.

    Raises:
        DataError: a file in it is damaged.
    """
    run = read_run(folder)
    recipe = Recipe.from_toml((folder / RECIPE).read_text("utf-8"))
    return TrackedResult(
        parameters=parameters_of(recipe),
        figures={} if run.metrics.parts.test is None else figures_of(run.metrics.parts.test),
        pictures=draw_pictures(run),
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


def draw_pictures(run: RunFiles) -> dict[str, NDArray[np.uint8]]:
    """Learning curves, reliability diagram and confusion matrix, as far as the run has them.

    Args:
        run: its folder, read.

    Returns:
        name → (height, width, 3) uint8, RGB. None shows an image of the user's.
    """
    pictures = {}
    history = read_results(run.folder)
    if len(history) >= LEAST_EPOCHS:
        epochs, best = [row.epoch for row in history], best_epoch(history)
        losses = [row.train_loss for row in history], [row.validation_loss for row in history]
        shares = [row.train_accuracy for row in history], [row.validation_accuracy for row in history]
        for measure, (training, validation) in (("loss", losses), ("accuracy", shares)):
            pictures[measure] = draw_pixels(
                plot_learning(epochs, training, validation, measure=measure, best_epoch=best)
            )
    test = run.metrics.parts.test
    if test is not None and (bins := reliability_bins(test)):
        pictures["reliability"] = draw_pixels(plot_reliability(bins))
    if test is not None and test.mistakes.confusion is not None:
        pictures["confusion"] = draw_confusion(test)
    return pictures


def draw_confusion(test: Evaluation) -> NDArray[np.uint8]:
    """Counts of true (rows) and predicted classes (columns), shaded by their share of the row."""
    counts = np.asarray(test.mistakes.confusion)
    side = min(MOST_INCHES, max(LEAST_INCHES, 1.5 + INCH_EACH * len(test.classes)))
    return draw_pixels(lambda axes: _fill(axes, counts, readable_names(test.classes)), size=(side, side))


def _fill(axes: "Axes", counts: NDArray[np.int64], names: Sequence[str]) -> None:
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(names) > MOST_NAMED:
        return
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    for row, column in np.argwhere(counts).tolist():
        colour = "white" if shares[row, column] >= DARK else INK
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour)


def readable_names(classes: Sequence[str]) -> list[str]:
    """Names that matplotlib's own font can write; of others the number of the class.

    >>> readable_names(["cat", "cliché", "\u732b"])
    ['cat', 'cliché', 'class 3']
    """
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    return [
        name if all(ord(sign) in known for sign in name) else f"class {number}"
        for number, name in enumerate(classes, start=1)
    ]
