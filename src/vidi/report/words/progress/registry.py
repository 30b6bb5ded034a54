"""Registered models in lines for the terminal and the model card."""

from collections.abc import Mapping

from vidi.files import escape_path
from vidi.model_file.values import Json
from vidi.numbers import percent
from vidi.registry.registered import RegistryDecision

UNTESTED = "not tested"


def test_line(figures: Mapping[str, Json]) -> str:
    """The test accuracy that a model file states, with its interval and n.

    >>> test_line({"images": 40, "accuracy": {"value": 0.9, "low": 0.77, "high": 0.96}})
    'accuracy 90.0 % (95 % interval 77.0 % to 96.0 %, 40 images)'
    """
    accuracy, images = figures.get("accuracy"), figures.get("images")
    if not isinstance(accuracy, Mapping) or not isinstance(accuracy.get("value"), int | float):
        return UNTESTED
    value, low, high = (_percent(accuracy.get(name)) for name in ("value", "low", "high"))
    reach = f"95 % interval {low} to {high}, " if low and high else ""
    return f"accuracy {value} ({reach}{images:,} images)" if isinstance(images, int) else f"accuracy {value}"


def _percent(value: Json) -> str:
    return percent(float(value), digits=1) if isinstance(value, int | float) else ""


def promoted_lines(name: str, decision: RegistryDecision, before: RegistryDecision | None) -> list[str]:
    """What is in use now, and what was until then.

    Args:
        name: registered.
        decision: that puts a version in use.
        before: the decision that held until then; None where there was none.
    """
    lines = [f"{name} is now version {decision.version}: {_about(decision)}"]
    if before is not None:
        lines.append(f"before: version {before.version}, {_about(before)}")
    if before is not None and decision.action == "promote":
        lines.append(f"to go back: vidi rollback {name}")
    return lines


def _about(decision: RegistryDecision) -> str:
    return f"model {decision.model}, {test_line(decision.figures)}"


def already_in_use(name: str, version: str) -> str:
    """That there was nothing to do."""
    return f"{name} is this model already, as version {version}; nothing was changed"


def card_section(name: str, version: str, who: str, at: str) -> str:
    """What a model card says of the registry, in Markdown."""
    return f"\n## Registered\nRegistered as `{name}`, version {version}, on {at[:10]} by {escape_path(who)}.\n"
