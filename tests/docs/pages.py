"""What the pages show: commands with what they print, and examples in Python."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if REFERENCE not in path.parents and path.exists()
)
SKIPPED = "…"


@dataclass(frozen=True, slots=True)
class Command:
    """One line after a `$`, and what the page says that it prints."""

    line: str
    expected: tuple[str, ...]
    exit_code: int


def blocks(page: Path, *kinds: str) -> list[tuple[str, str]]:
    """The code blocks of some kinds, in order: (kind, text)."""
    pattern = rf"^```({'|'.join(kinds)})\n(.*?)^```"
    return re.findall(pattern, page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def commands(block: str) -> Iterator[Command]:
    """The commands of a ```console block; `$ echo $?` after one tells its exit code, which is 0 where none stands."""
    shown: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            shown.append((line.removeprefix("$ "), []))
        else:
            shown[-1][1].append(line)
    for (line, expected), following in zip(shown, [*shown[1:], ("", [])], strict=True):
        if line != "echo $?":
            yield Command(line, tuple(expected), int(following[1][0]) if following[0] == "echo $?" else 0)


def first_missing(expected: tuple[str, ...], printed: str) -> str | None:
    """The first expected line that was not printed, in the order of the page; None where all were.

    `…` stands for anything, within a line or for any lines. Runs of spaces count as one.
    """
    lines = iter(" ".join(line.split()) for line in printed.splitlines())
    for wanted in expected:
        pieces = [re.escape(" ".join(piece.split())) for piece in wanted.split(SKIPPED)]
        pattern = re.compile(r".*?\s?".join(pieces))
        if wanted.strip() != SKIPPED and not any(pattern.search(line) for line in lines):
            return wanted
    return None
