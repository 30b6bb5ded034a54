"""A finished run folder as trackers take it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from vidi.evaluation.evaluation import Evaluation
from vidi.report.pages.run_files import MODEL, read_run
from vidi.report.words.first import first_line
from vidi.training.recipe import Recipe
from vidi.workflows.interaction.run_folder import CHECK, METRICS, MODEL_CARD, PREDICTIONS, RECIPE, REPORT, SPLITS
from vidi.workflows.tracking.pictures import draw_pictures
from vidi.workflows.tracking.tracker import TrackedResult

FILES = (REPORT, MODEL_CARD, METRICS, PREDICTIONS, "results.csv", RECIPE, SPLITS, CHECK)


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
        figures={} if run.metrics.test is None else figures_of(run.metrics.test),
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
        "test.balanced_accuracy": test.balanced_accuracy.value,
        "test.macro_precision": test.macro_precision.value,
        "test.macro_f1": test.macro_f1.value,
        "test.log_loss": test.log_loss.value,
        "test.brier_loss": test.brier_loss.value,
        "test.calibration_error": test.calibration.error,
    }
    return {name: value for name, value in named.items() if value is not None}
