"""Write the options of `vidi`'s functions into signatures and docstrings: python tools/build_python.py"""

import ast
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from vidi.options import Declared, Option, declared
from vidi.workflows.requests.data import CheckRequest, DataRequest
from vidi.workflows.requests.model_file import (
    BenchmarkRequest,
    CompareRequest,
    EvaluateRequest,
    ExplainRequest,
    LocateRequest,
)
from vidi.workflows.requests.train import TrainRequest

FOLDER = Path(__file__).parents[1] / "src" / "vidi" / "workflows" / "python"
REQUESTS: Mapping[str, type] = {
    "train": TrainRequest,
    "check": CheckRequest,
    "evaluate": EvaluateRequest,
    "compare": CompareRequest,
    "explain": ExplainRequest,
    "locate": LocateRequest,
    "benchmark": BenchmarkRequest,
}
USING = ("locate", "explain")  # in a module that loads without what only learning needs
WIDTH = 120


def main() -> None:
    """Write each function anew."""
    for name in REQUESTS:
        home_of(name).write_text(written(name), encoding="utf-8")


def home_of(name: str) -> Path:
    """The module of a function."""
    return FOLDER / ("using.py" if name in USING else "learning.py")


def options_of(name: str) -> list[Declared]:
    """The options of a function: those of its request but what is said in a `DataRequest`, by place or in `changes`."""
    of_data = {option.name for option in declared(DataRequest)}
    found = [one for one in declared(REQUESTS[name]) if isinstance(one.info, Option) and not one.info.setting]
    return [option for option in found if option.name not in of_data or name == "locate"]


def written(name: str) -> str:
    """The module of a function, with that function as its request has it."""
    source = home_of(name).read_text("utf-8")
    lines = source.splitlines()
    node = next(one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef) and one.name == name)
    places = {argument.arg for argument in node.args.args}
    options = [option for option in options_of(name) if option.name not in places]
    doc = node.body[0]
    end = doc.end_lineno or doc.lineno
    head = [
        f"def {name}(",
        *by_place(node.args),
        "    *,",
        *(f"    {option.name}: {as_annotation(option)} = {option.python_default}," for option in options),
        f") -> {quoted(node.returns)}:",
    ]
    docstring = list(docstring_of(lines[doc.lineno - 1 : end], options, places))
    return "\n".join([*lines[: node.lineno - 1], *head, *docstring, *lines[end:], ""])


def by_place(arguments: ast.arguments) -> Iterator[str]:
    """The lines of the arguments that are given by their place."""
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + list(arguments.defaults)
    for argument, default in zip(arguments.args, defaults, strict=True):
        yield f"    {argument.arg}: {quoted(argument.annotation)}" + (f" = {ast.unparse(default)}," if default else ",")


def docstring_of(lines: list[str], options: list[Declared], places: set[str]) -> Iterator[str]:
    """A docstring's lines, with the options after the arguments by place."""
    begin = lines.index("    Args:")
    end = next(row for row in range(begin, len(lines)) if not lines[row].strip())
    yield from lines[: begin + 1]
    kept = False
    for line in lines[begin + 1 : end]:
        if not line.startswith(" " * 9):
            kept = line.strip().partition(":")[0] in places
        if kept:
            yield line
    for option in options:
        yield from textwrap.wrap(
            f"{option.name}: {said(option)}", WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12
        )
    yield from lines[end:]


def quoted(annotation: ast.expr | None) -> str:
    """A type as it is written, with double quotes."""
    return ast.unparse(annotation).replace("'", '"') if annotation is not None else "object"


def as_annotation(option: Declared) -> str:
    """The type as a signature has it, in quotes where `os` is not to be imported for it."""
    return f'"{option.python_type}"' if "os." in option.python_type else option.python_type


def said(option: Declared) -> str:
    """The sentence about an option, as an entry of a list."""
    info = option.info
    sentence = (info.python_help if isinstance(info, Option) else "") or info.help
    kept = sentence[1:2].isupper() or sentence.startswith(("False", "True", "None"))
    return sentence if kept else sentence[0].lower() + sentence[1:]


if __name__ == "__main__":
    main()
