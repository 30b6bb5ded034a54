"""tracked.json: which run in which tracker a run folder is."""

import json
from collections.abc import Mapping
from pathlib import Path

from vidi.files import read_json, write_whole

TRACKED = "tracked.json"


def read_noted(folder: Path, tracker: str) -> dict[str, str]:
    """What the tracker of that name noted in a run folder; empty where it noted nothing that can be read."""
    try:
        values = read_json(folder / TRACKED)
        return dict(values["noted"]) if values["tracker"] == tracker else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_noted(folder: Path, tracker: str, noted: Mapping[str, str]) -> None:
    """Keep what the tracker needs to find the run again."""
    document = {"schema": 1, "tracker": tracker, "noted": dict(noted)}
    write_whole(folder / TRACKED, json.dumps(document, indent=1) + "\n")
