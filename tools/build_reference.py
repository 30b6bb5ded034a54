"""Write docs/reference/ from signatures, docstrings and the verbs' options: python tools/build_reference.py"""

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import vidi
from vidi import errors
from vidi.cli.app import VERBS, made_command
from vidi.data.checked import DataCheck, Finding
from vidi.detection.locate import Located
from vidi.evaluation.evaluate import Evaluation
from vidi.images.account import Account
from vidi.images.limits import IGNORED, NOTES, REASONS
from vidi.networks.options import NetworkOptions
from vidi.options import Argument, Declared, Option, declared
from vidi.prediction.prediction import Answer
from vidi.report.pages.boxes import LocatedImage
from vidi.report.pages.explain import Deletion, Explanation, Neighbour
from vidi.report.pages.network import Layer
from vidi.serving.problems import PROBLEMS
from vidi.training.augment import Augmentation
from vidi.training.recipe import FLAT, Recipe
from vidi.workflows.benchmark import Benchmark
from vidi.workflows.check import CheckReport
from vidi.workflows.comparing import CompareResult
from vidi.workflows.evaluate import EvaluateResult
from vidi.workflows.requests.data import CheckRequest, DataRequest, SplitRequest
from vidi.workflows.requests.in_use import MonitorRequest
from vidi.workflows.requests.model_file import (
    BenchmarkRequest,
    BoxSearch,
    CalibrateRequest,
    CompareRequest,
    EvaluateRequest,
    ExplainedPages,
    ExplainRequest,
    ExportRequest,
    LocatedFiles,
    LocateRequest,
    NetworkRequest,
)
from vidi.workflows.requests.predict import InputsRequest, PredictRequest
from vidi.workflows.requests.train import TrainRequest, TuneRequest
from vidi.workflows.train import Run

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Written by tools/build_reference.py from the code: change it there. -->\n"
GIVEN_BACK = (
    Run,
    Answer,
    EvaluateResult,
    Evaluation,
    CompareResult,
    CheckReport,
    DataCheck,
    Finding,
    Account,
    LocatedImage,
    Located,
    Explanation,
    Neighbour,
    Deletion,
    Layer,
    Benchmark,
)
REQUESTS = (
    DataRequest,
    TrainRequest,
    TuneRequest,
    EvaluateRequest,
    BoxSearch,
    CompareRequest,
    CalibrateRequest,
    CheckRequest,
    SplitRequest,
    InputsRequest,
    PredictRequest,
    BenchmarkRequest,
    LocateRequest,
    LocatedFiles,
    MonitorRequest,
    ExplainRequest,
    ExplainedPages,
    NetworkRequest,
    ExportRequest,
)
RECIPES = (
    (Recipe, ""),
    *((group, "") for group in FLAT.values()),
    (NetworkOptions, "options."),
    (Augmentation, "augmentation."),
)
EXIT_WORDS = {
    0: "Done.",
    1: "vidi itself failed: a bug.",
    6: "Done, but some inputs were bad; they are listed.",
    130: "Interrupted; the work is saved.",
}
Function = ast.FunctionDef


def main() -> None:
    """Write every page that the code decides."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """File name → text."""
    return {
        "python.md": MADE + python_page(),
        "values.md": MADE + values_page(),
        "requests.md": MADE + requests_page(),
        "command-line.md": MADE + command_line_page(),
        "recipe.md": MADE + recipe_page(),
        "codes.md": MADE + codes_page(),
    }


def python_page() -> str:
    """The public names of `vidi`, and what they give back."""
    lines = ["# Python", "", inspect.getdoc(vidi) or "", ""]
    for name in vidi.__all__:
        lines += described(vars(vidi).get(name) or getattr(vidi, name), f"vidi.{name}")
    return "\n".join(lines).rstrip() + "\n"


def values_page() -> str:
    """What the public functions give back."""
    lines = ["# Values", "", "Return values of [vidi's functions](python.md).", ""]
    for given in GIVEN_BACK:
        lines += described(given, f"{given.__module__}.{given.__name__}")
    return "\n".join(lines).rstrip() + "\n"


def requests_page() -> str:
    """What each verb is asked for, as a value: every option with its name, type, default and flag."""
    about = "A request holds all options of a verb; the verb's function in `vidi.workflows` takes it."
    lines = ["# Requests", "", about, "The command line and Python's functions have the same options.", ""]
    of_data = {option.name for option in declared(DataRequest)}
    for request in REQUESTS:
        lines += [f"## `{request.__module__}.{request.__name__}`", "", inspect.getdoc(request) or "", ""]
        options = list(declared(request))
        taken = [option.name for option in options if option.name in of_data]
        if "source" in taken and request is not DataRequest:
            left_out = ", ".join(f"`{name}`" for name in sorted(of_data - {*taken}))
            lines += ["`data` is a `DataRequest`" + (f"; it does not take {left_out}." if left_out else "."), ""]
            options = [option for option in options if option.name not in of_data]
        rows = [(one.name, one.python_type, one.python_default, flag_of(one), one.info.help) for one in options]
        lines += table(("name", "type", "default", "command line", "meaning"), rows)
    return "\n".join(lines).rstrip() + "\n"


def flag_of(option: Declared) -> str:
    """How an option is written on the command line; empty where it is not."""
    info = option.info
    if isinstance(info, Argument):
        return info.metavar
    return f"--set {info.setting}=…" if info.setting else ", ".join(info.spelled(option.name))


def described(thing: Any, name: str) -> Iterator[str]:
    """The lines about one function or class."""
    source, node = definition(thing)
    yield from (f"## `{name}`", "")
    if isinstance(node, Function):
        yield from (*code(signature(node)), *prose(ast.get_docstring(node) or ""))
        return
    functions = [item for item in node.body if isinstance(item, Function)]
    made = next((item for item in functions if item.name == "__init__" and node.name != "Predictor"), None)
    if made is not None and "Error" not in node.name:
        yield from code(signature(made, name=node.name))
    yield from prose(ast.get_docstring(node) or "")
    if thing in REQUESTS:
        rows = [(option.name, option.python_type, "", option.info.help) for option in declared(thing)]
    else:
        rows = list(fields_of(source, node))
    if rows:
        yield from table(("field", "type", "meaning"), [(field, kind, meaning) for field, kind, _, meaning in rows])
    for item in functions:
        if not item.name.startswith("_"):
            decorators = {ast.unparse(decorator) for decorator in item.decorator_list}
            yield from (f"### `{node.name}.{item.name}`", "")
            if "property" not in decorators:
                yield from code(signature(item))
            yield from prose(ast.get_docstring(item) or "")


def definition(thing: Any) -> tuple[str, Any]:
    """The source of a function or class, and its syntax tree."""
    source = textwrap.dedent(inspect.getsource(thing))
    return source, ast.parse(source).body[0]


def signature(node: Function, *, name: str = "") -> str:
    """A definition as it is called, one argument a line where it is long."""
    arguments = node.args
    places = arguments.args
    defaults = [None] * (len(places) - len(arguments.defaults)) + list(arguments.defaults)
    shown = [one_argument(*pair) for pair in zip(places, defaults, strict=True) if pair[0].arg not in ("self", "cls")]
    if arguments.kwonlyargs:
        shown.append("*")
        shown += [one_argument(*pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    back = f" -> {unquoted(node.returns)}" if node.returns is not None and not name else ""
    title = name or node.name
    line = f"{title}({', '.join(shown)}){back}"
    return line if len(line) <= 88 else f"{title}(\n" + "".join(f"    {item},\n" for item in shown) + f"){back}"


def one_argument(argument: ast.arg, default: ast.expr | None) -> str:
    """`name: type = default`."""
    kind = f": {unquoted(argument.annotation)}" if argument.annotation is not None else ""
    value = "" if default is None else f" = {ast.unparse(default)}" if kind else f"={ast.unparse(default)}"
    return argument.arg + kind + value


def unquoted(annotation: ast.expr) -> str:
    """A type as written, without the quotes that put off its import."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return ast.unparse(annotation)


def fields_of(source: str, node: ast.ClassDef) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and meaning of a dataclass's fields; the meaning is the comment on the field's lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            lines = range(item.lineno, (item.end_lineno or item.lineno) + 1)
            default = "" if item.value is None else ast.unparse(item.value)
            meaning = " ".join(comments[line] for line in lines if line in comments)
            yield item.target.id, unquoted(item.annotation), default, meaning


def prose(docstring: str) -> Iterator[str]:
    """A docstring's paragraphs; its sections as lists, its examples as code."""
    for paragraph in inspect.cleandoc(docstring).split("\n\n"):
        title, _, body = paragraph.partition("\n")
        if paragraph.startswith(">>>"):
            yield from code(paragraph)
        elif title == "Returns:":
            yield from ("**Returns**", "", *textwrap.dedent(body).splitlines(), "")
        elif title in ("Args:", "Raises:", "Attributes:"):
            yield from (f"**{title[:-1]}**", "", *items(textwrap.dedent(body)), "")
        elif paragraph:
            yield from (*paragraph.splitlines(), "")


def items(body: str) -> Iterator[str]:
    """The entries of a section, each one list item on one line."""
    entries: list[str] = []
    for line in body.splitlines():
        if line.startswith(" ") and entries:
            entries[-1] += " " + line.strip()
        else:
            entries.append(line.strip())
    for entry in entries:
        name, colon, rest = entry.partition(": ")
        yield f"- `{name}`: {rest}" if colon and "`" not in name else f"- {entry}"


def code(text: str) -> list[str]:
    """A block that readers see as Python."""
    return ["```py", text, "```", ""]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table; the first two columns are code."""
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        last = len(cells) - 1
        shown = [f"`{cell}`" if cell and index < last else cell for index, cell in enumerate(cells)]
        yield f"| {' | '.join(shown)} |"
    yield ""


def command_line_page() -> str:
    """Every verb with its arguments and options."""
    lines = [
        "# Command line",
        "",
        "`vidi VERB --help` shows the same. See [how-to](../index.md) for examples of each verb.",
        "",
    ]
    for name in VERBS:
        command = made_command(name)
        lines += [f"## `vidi {name}`", "", *(command.help or "").splitlines(), ""]
        lines += table(("option", "value", "meaning"), list(options_of(command)))
    return "\n".join(lines).rstrip() + "\n"


def options_of(command: click.Command) -> Iterator[tuple[str, str, str]]:
    """Words, kind of value and help of what a verb takes."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            value = "" if parameter.is_flag else parameter.metavar or "VALUE"
            yield ", ".join(parameter.opts), value, parameter.help or ""
        else:
            yield parameter.human_readable_name.strip("[]"), "", parameter.help or ""


def recipe_page() -> str:
    """Every value of a recipe."""
    about = "The values that decide a training. Set one with `--set NAME=VALUE`; vidi chooses the others from the data"
    lines = ["# The recipe", "", f"{about}, see [training](../training.md).", ""]
    for kind, prefix in RECIPES:
        source, node = definition(kind)
        rows = [
            (prefix + name, typed, default, meaning)
            for name, typed, default, meaning in fields_of(source, node)
            if not default.startswith("field(")
        ]
        lines += [f"## {kind.__name__}", "", ast.get_docstring(node) or "", ""]
        lines += table(("name", "type", "default", "meaning"), rows)
    lines += ["## Settings of a run", "", "Set by `--set NAME=VALUE` too; `run.json` keeps them.", ""]
    lines += table(
        ("name", "type", "default", "meaning"),
        [
            (one.info.setting, one.python_type, one.python_default, one.info.help)
            for one in declared(TrainRequest)
            if isinstance(one.info, Option) and one.info.setting
        ],
    )
    return "\n".join(lines).rstrip() + "\n"


def codes_page() -> str:
    """Exit codes, the codes that stand beside images, and those of the server's refusals."""
    words = dict(EXIT_WORDS)
    for kind in errors.VidiError.__subclasses__():
        words.setdefault(kind.exit_code, inspect.getdoc(kind) or "")
    lines = ["# Codes", "", "## Exit codes", ""]
    lines += table(("code", "meaning"), [(str(number), words[number]) for number in sorted(words)])
    for title, codes in (
        ("Why an image is refused", REASONS),
        ("Notes on an image that is used", NOTES),
        ("Why a file is ignored", IGNORED),
    ):
        lines += [f"## {title}", "", *table(("code", "meaning"), list(codes.items()))]
    lines += ["## Why the server refuses a request", ""]
    lines += ["Answers of [`vidi serve`](../how-to/serve.md) as RFC 9457 has them: member `code`, status of HTTP.", ""]
    lines += table(
        ("code", "status", "meaning"), [(code, str(kind.status), kind.title) for code, kind in PROBLEMS.items()]
    )
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
