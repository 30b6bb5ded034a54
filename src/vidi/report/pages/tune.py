"""The search for a better recipe as a page: the finding, how it went, which hyperparameter mattered, what was tried."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.figures.bars import draw_importances
from vidi.figures.training import draw_search_history
from vidi.files import write_atomic
from vidi.report.pages.render import render_page
from vidi.report.pages.tables import settings
from vidi.report.words.text import drawn

if TYPE_CHECKING:
    from markupsafe import Markup

WORDS = {  # of the hyperparameters, in plain language
    "learning_rate": "learning rate",
    "image_size": "image size",
    "augmentation": "strength of augmentation",
    "augmentation.flip": "mirrored copies",
    "weight_decay": "weight decay",
    "label_smoothing": "label smoothing",
    "options.width": "width of the network",
    "batch": "batch",
}
MOST_ROWS = 60  # trials that stand open; the rest is in trials.csv
FEWEST_FOR_IMPORTANCE = 8


@dataclass(frozen=True, slots=True)
class HyperparameterRow:
    """One hyperparameter: where the default has it, where the best trial has it, how far it was turned."""

    name: str
    field: str  # as --set takes it
    usual: str
    best: str
    searched: str
    is_turned: bool


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One trial as the table shows it."""

    number: int
    state: str
    accuracy: float | None
    loss: float | None
    epochs: float | None
    seconds: float | None
    cause: str
    values: tuple[str, ...]
    is_best: bool
    is_default: bool


def write_tune_page(path: Path, document: Mapping[str, Any]) -> None:
    """Write the page of a search from its tune.json.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.
        ResourceError: the page cannot be written.
    """
    write_atomic(path, render_page("tune.html", page_values(document)))


def page_values(document: Mapping[str, Any]) -> dict[str, object]:
    """What the template shows."""
    lines = trial_lines(document)
    done = [line for line in lines if line.state == "done"]
    best = document.get("best")
    return {
        "name": document["data"]["name"],
        "network": document["network"],
        "finding": document["finding"],
        "headline": headline(document),
        "comparison": (document["finding"] or {}).get("comparison"),
        "images": document["images"],
        "notes": document["notes"],
        "seconds_each": document["trial_seconds"],
        "seconds_used": document["seconds_used"],
        "counts": Counter(line.state for line in lines),
        "trial_count": len(lines),
        "done_count": len(done),
        "best": best,
        "best_accuracy": next((line.accuracy for line in lines if line.is_best), None),
        "default_accuracy": next((line.accuracy for line in done if line.is_default), None),
        "hyperparameters": hyperparameter_rows(document),
        "hyperparameter_names": [
            WORDS.get(hyperparameter["name"], hyperparameter["name"]) for hyperparameter in document["hyperparameters"]
        ],
        "lines": _ordered(lines)[:MOST_ROWS],
        "more": max(0, len(lines) - MOST_ROWS),
        "history": _history(done),
        "importance": _importance(document),
        "fewest": FEWEST_FOR_IMPORTANCE,
        "settings": settings(document["recipe"]),
        "study": document["request"]["study"],
    }


def headline(document: Mapping[str, Any]) -> str:
    """The outcome in one sentence."""
    finding = document["finding"]
    if finding is None:
        return "The search was interrupted before the comparison."
    sentence = str(finding["sentence"])
    return f"{sentence[0].upper()}{sentence[1:]}."


def trial_lines(document: Mapping[str, Any]) -> list[TrialLine]:
    """Every trial, in order."""
    usual = {hyperparameter["name"]: hyperparameter["usual"] for hyperparameter in document["hyperparameters"]}
    return [
        TrialLine(
            number=row["number"],
            state=row["state"],
            accuracy=row["accuracy"],
            loss=row["loss"],
            epochs=row["epochs"],
            seconds=row["seconds"],
            cause=row["cause"],
            values=tuple(_shown(name, row["values"].get(name)) for name in usual),
            is_best=row["number"] == document["best_trial"],
            is_default=all(row["values"].get(name) == value for name, value in usual.items()),
        )
        for row in document["trials"]
    ]


def hyperparameter_rows(document: Mapping[str, Any]) -> list[HyperparameterRow]:
    """The hyperparameters of the default recipe beside those of the best trial."""
    best = (document.get("best") or {}).get("values", {})
    rows = []
    for hyperparameter in document["hyperparameters"]:
        name, usual = hyperparameter["name"], hyperparameter["usual"]
        choices = [_shown(name, choice) for choice in hyperparameter["choices"]]
        rows.append(
            HyperparameterRow(
                name=WORDS.get(name, name),
                field=name,
                usual=_shown(name, usual),
                best=_shown(name, best.get(name)),
                searched=", ".join(choices)
                or f"{_shown(name, hyperparameter['low'])} to {_shown(name, hyperparameter['high'])}",
                is_turned=name in best and best[name] != usual,
            )
        )
    return rows


def _ordered(lines: list[TrialLine]) -> list[TrialLine]:
    """The best first; those without a result last."""
    return sorted(lines, key=lambda line: (line.accuracy is None, -(line.accuracy or 0.0), line.loss or 0.0))


def _history(done: list[TrialLine]) -> "Markup | None":
    if len(done) < 2:
        return None
    default = next((line.accuracy for line in done if line.is_default), None)
    numbers, accuracies = [line.number for line in done], [line.accuracy or 0.0 for line in done]
    return drawn(draw_search_history(numbers, accuracies, default=default))


def _importance(document: Mapping[str, Any]) -> "Markup | None":
    found = document["importance"]
    if not found:
        return None
    svg = draw_importances(
        [WORDS.get(one["name"], one["name"]) for one in found],
        [one["share"] for one in found],
        [one["low"] for one in found],
        [one["high"] for one in found],
    )
    return drawn(svg)


def _shown(name: str, value: object) -> str:
    """Where a hyperparameter stands, as people write it."""
    if value is None:
        return "–"
    if name in ("augmentation", "options.width") and isinstance(value, int | float):
        return f"{value:.2g}\u00a0×"
    if name == "image_size":
        return str(value).replace("x", "\u00a0×\u00a0")
    return f"{value:.3g}" if isinstance(value, float) else str(value)
