"""The search for a better recipe as a page: the finding, how it went, what was tried."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.figures.training import draw_search_history
from vidi.report.pages.render import write_page
from vidi.report.pages.tables import settings
from vidi.report.words.text import drawn, sentence

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


def write_tune_page(path: Path, document: Mapping[str, Any]) -> None:
    """Write the page of a search from its tune.json; raises like `write_page`."""
    write_page(path, "tune.html", page_values(document))


def page_values(document: Mapping[str, Any]) -> dict[str, object]:
    """What the template shows."""
    usual = {hyperparameter["name"]: hyperparameter["usual"] for hyperparameter in document["hyperparameters"]}
    trials = document["trials"]
    done = [trial for trial in trials if trial["state"] == "done"]
    best = next((trial["accuracy"] for trial in trials if trial["number"] == document["best_trial"]), None)
    is_default = [
        trial["number"] for trial in trials if all(trial["values"].get(name) == value for name, value in usual.items())
    ]
    default = next((trial["accuracy"] for trial in done if trial["number"] in is_default), None)
    ordered = sorted(trials, key=lambda one: (one["accuracy"] is None, -(one["accuracy"] or 0.0), one["loss"] or 0.0))
    return {
        **document,
        "name": document["data"]["name"],
        "headline": headline(document),
        "best": document.get("best"),
        "comparison": (document["finding"] or {}).get("comparison"),
        "counts": Counter(trial["state"] for trial in trials),
        "trial_count": len(trials),
        "best_accuracy": best,
        "default_accuracy": default,
        "hyperparameters": hyperparameter_rows(document),
        # The best first; those without a result last.
        "lines": [(one, [_shown(name, one["values"].get(name)) for name in usual]) for one in ordered[:MOST_ROWS]],
        "is_default": is_default,
        "more": max(0, len(trials) - MOST_ROWS),
        "history": _history(done, default),
        "settings": settings(document["recipe"]),
        "study": document["request"]["study"],
    }


def headline(document: Mapping[str, Any]) -> str:
    """The outcome in one sentence."""
    finding = document["finding"]
    if finding is None:
        return "The search was interrupted before the comparison."
    return f"{sentence(finding['sentence'])}."


def hyperparameter_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each setting: its name, where the default and the best trial have it, and what was searched."""
    best = (document.get("best") or {}).get("values", {})
    rows = []
    for hyperparameter in document["hyperparameters"]:
        name, low, high = (
            hyperparameter["name"],
            _shown(hyperparameter["name"], hyperparameter["low"]),
            _shown(hyperparameter["name"], hyperparameter["high"]),
        )
        rows.append(
            {
                "name": WORDS.get(name, name),
                "usual": _shown(name, hyperparameter["usual"]),
                "best": _shown(name, best.get(name)),
                "searched": ", ".join(_shown(name, one) for one in hyperparameter["choices"]) or f"{low} to {high}",
                "is_turned": name in best and best[name] != hyperparameter["usual"],
            }
        )
    return rows


def _history(done: Sequence[Mapping[str, Any]], default: float | None) -> "Markup | None":
    if len(done) < 2:
        return None
    numbers, accuracies = [trial["number"] for trial in done], [trial["accuracy"] or 0.0 for trial in done]
    return drawn(draw_search_history(numbers, accuracies, default=default))


def _shown(name: str, value: object) -> str:
    """Where a setting stands, as people write it."""
    if value is None:
        return "–"
    if name in ("augmentation", "options.width") and isinstance(value, int | float):
        return f"{value:.2g}\u00a0×"
    if name == "image_size":
        return str(value).replace("x", "\u00a0×\u00a0")
    return f"{value:.3g}" if isinstance(value, float) else str(value)
