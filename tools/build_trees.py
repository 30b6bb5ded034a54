"""Write the tree of docs/architecture.md from the packages' docstrings: python tools/build_trees.py"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "vidi"
BEGIN, END = "<!-- tree: written by tools/build_trees.py from the docstrings -->\n", "<!-- end of the tree -->"


def main() -> None:
    """Write it."""
    for path, text in pages().items():
        path.write_text(text, "utf-8")


def pages() -> dict[Path, str]:
    """The file as it should be."""
    architecture = ROOT / "docs" / "architecture.md"
    return {architecture: _with(architecture, table())}


def table() -> str:
    """The packages and modules from the top down, as a table of Markdown."""
    rows = [f"| `{path.name}{'/' if path.is_dir() else ''}` | {meaning(path)} |" for path in parts()]
    return "\n".join(["| folder | what belongs there |", "| --- | --- |", *rows]) + "\n"


def parts() -> Iterator[Path]:
    """Packages and modules in the order of the layers in pyproject.toml, the topmost first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one.get("containers") == ["vidi"])
    for name in re.findall(r"\w+", " ".join(layers)):
        for path in (SOURCE / name, SOURCE / f"{name}.py"):
            if path.exists() and name != "__main__":
                yield path


def meaning(path: Path) -> str:
    """The first sentence of a package's or a module's docstring."""
    file = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return text.partition("\n")[0].removesuffix(".")


def _with(path: Path, made: str) -> str:
    text = path.read_text("utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:start] + made + text[end:]


if __name__ == "__main__":
    main()
