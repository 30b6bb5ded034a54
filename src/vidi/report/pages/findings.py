"""What the check of the data found, as far as the page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from vidi.files import unescape_path
from vidi.report.pages.gallery import MOST_OF_FINDINGS

MOST_OF_ONE = 6  # images of one finding
WORDS = {"problem": "problem", "warning": "look at this", "note": "good to know"}
GRAVITY = ("problem", "warning", "note")


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One finding, and the few of its images that are shown."""

    severity: str
    word: str  # the severity in plain language
    sentence: str
    paths: tuple[str, ...]
    more: int  # images that are not shown


def choose_findings(check: Mapping[str, Any]) -> list[ShownFinding]:
    """The findings of check.json, gravest first, with images as far as there is room."""
    shown, places = [], MOST_OF_FINDINGS
    for finding in sorted(check.get("findings", ()), key=lambda finding: _gravity(finding["severity"])):
        paths = [unescape_path(path) for path in chain.from_iterable(finding["paths"])]
        chosen = tuple(dict.fromkeys(paths))[: min(MOST_OF_ONE, places)]
        places -= len(chosen)
        shown.append(
            ShownFinding(
                severity=finding["severity"],
                word=WORDS.get(finding["severity"], finding["severity"]),
                sentence=finding["message"],
                paths=chosen,
                more=len(set(paths)) - len(chosen),
            )
        )
    return shown


def _gravity(severity: str) -> int:
    return GRAVITY.index(severity) if severity in GRAVITY else len(GRAVITY)
