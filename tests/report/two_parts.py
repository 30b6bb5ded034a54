"""What metrics.json says where the test images come from elsewhere."""

import json
from pathlib import Path


def shares(name: str, held_out: float, test: float, *, lower: bool) -> dict[str, object]:
    """One class in both parts."""
    return {
        "class": name, "held_out": {"value": held_out, "n": 80}, "test": {"value": test, "n": 30}, "lower": lower,
    }  # fmt: skip


def two_parts(*, loudest: tuple[str, ...] = ()) -> dict[str, object]:
    """The section `two_parts`: lower in one class, and told apart."""
    return {
        "differs": True,
        "accuracy": {**shares("", 0.87, 0.481, lower=True), "p_value": 0.0},
        "classes": [shares("disc", 0.8, 0.2, lower=True), shares("square", 0.9, 0.9, lower=False)],
        "features": {"area": 0.98, "by_chance": 0.56, "p_value": 0.0005, "held_out": 80, "test": 80, "apart": True},
        "loudest": list(loudest),
    }


def refuted() -> list[dict[str, object]]:
    """The section `refuted`: both guarantees, and a class's."""
    return [
        {"kind": "sure", "class": None, "guaranteed": 0.05, "measured": 0.35, "n": 120},
        {"kind": "candidates", "class": None, "guaranteed": 0.95, "measured": 0.66, "n": 314},
        {"kind": "recall", "class": "disc", "guaranteed": 0.9, "measured": 0.5, "n": 10},
    ]


def differing_run(folder: Path, *, loudest: tuple[str, ...] = ()) -> Path:
    """The run folder with these sections."""
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**metrics, "two_parts": two_parts(loudest=loudest), "refuted": refuted()}), "utf-8")
    return folder
