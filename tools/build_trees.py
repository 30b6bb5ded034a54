"""Write the trees of README.md and docs/architecture.md from the packages' docstrings: python tools/build_trees.py"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "vidi"
BEGIN, END = "<!-- tree: written by tools/build_trees.py from the docstrings -->\n", "<!-- end of the tree -->"
TESTS = "tests/          mirrors src/vidi; bench/ measures what the docs claim, beside the rivals in benchmarks/; docs/"


def main() -> None:
    """Write both."""
    for path, text in pages().items():
        path.write_text(text, "utf-8")


def pages() -> dict[Path, str]:
    """Both files as they should be."""
    readme, architecture = ROOT / "README.md", ROOT / "docs" / "architecture.md"
    return {readme: _with(readme, tree()), architecture: _with(architecture, table())}


def tree() -> str:
    """The packages and modules from the top down, a line each, as README shows them."""
    named = [(f"{path.name}{'/' if path.is_dir() else ''}", meaning(path)) for path in parts()]
    width = max(len(name) for name, _ in named)
    return "\n".join(["```", "src/vidi/", *(f"  {name:{width}}  {text}" for name, text in named), TESTS, "```"]) + "\n"


def table() -> str:
    """The same with the rooms of each package, as a table of Markdown."""
    rows = []
    for path in parts():
        rows.append((f"`{path.name}{'/' if path.is_dir() else ''}`", meaning(path)))
        rooms = sorted(path.glob("*/__init__.py")) if path.is_dir() else []
        rows += [(f"`{path.name}/{room.parent.name}/`", meaning(room.parent)) for room in rooms]
    lines = ["| folder | what belongs there |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows)]
    return "\n".join(lines) + "\n"


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
