"""Print the figures by which the source is judged, with their targets: python tools/measure_house.py [NAME]

With the beginning of a figure's name, what it counts is listed.
"""

import ast
import functools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "vidi"
MODULES = sorted(SOURCE.rglob("*.py"))
FOR_ALL_WORKFLOWS = {"requests", "interaction"}  # rooms of workflows/ that every other may read
UNDOCUMENTED = ("uvicorn.",)  # modules that are private without a `_`
PUBLIC = {"_replace", "_asdict", "_make", "_fields", "_exit"}  # documented, all the same
WRITTEN_BY_A_TOOL = re.compile(r"<!-- table: .*?<!-- end of table -->", re.DOTALL)  # tools/build_measured.py
Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def text_of(path: Path) -> str:
    """A file, read once."""
    return path.read_text(encoding="utf-8")


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A file, parsed once."""
    return ast.parse(text_of(path))


@functools.cache
def statements(path: Path) -> tuple[ast.stmt, ...]:
    """Every statement of a file, however deep: a tenth of what `ast.walk` visits, since expressions stay shut."""
    return tuple(_statements(parsed(path).body))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, part, []))
        for branch in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _statements(branch.body)


def functions(path: Path) -> Iterator[Function]:
    """Every function of a file."""
    return (node for node in statements(path) if isinstance(node, Function))


@functools.cache
def imports(source: Path = SOURCE) -> Mapping[str, frozenset[str]]:
    """Module → the project's modules that it imports, also late or for types alone."""
    paths = {".".join(path.relative_to(source.parent).with_suffix("").parts): path for path in source.rglob("*.py")}
    graph = {}
    for name, path in sorted(paths.items()):
        named: set[str] = set()
        for node in statements(path):
            if isinstance(node, ast.ImportFrom):
                named |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
        graph[name] = frozenset(named & paths.keys() - {name})
    return graph


def folder_cycles(graph: Mapping[str, frozenset[str]]) -> list[str]:
    """In each folder, the groups of its modules and sub-folders that import one another in a circle."""
    rooms: dict[str, dict[str, set[str]]] = {}
    for name, others in graph.items():
        for other in others:
            one, two = name.split("."), other.split(".")
            depth = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
            if depth:
                room = rooms.setdefault(".".join(one[:depth]), {})
                room.setdefault(one[depth], set()).add(two[depth])
    found = []
    for folder, arrows in rooms.items():
        reach = {part: _reached(part, arrows) for part in arrows}
        groups = {
            tuple(sorted({two for two in reach[one] if one in reach.get(two, ())}))
            for one in reach
            if one in reach[one]
        }
        found += [f"{folder}: {' '.join(group)}" for group in sorted(groups)]
    return found


def _reached(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = arrows.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def sideways(graph: Mapping[str, frozenset[str]]) -> list[str]:
    """Imports from one room of workflows/ into another, apart from those that all may read."""
    rooms = {name: name.split(".")[2] for name in graph if name.startswith("vidi.workflows.") and name.count(".") > 2}
    own = {name: room for name, room in rooms.items() if room not in FOR_ALL_WORKFLOWS}
    return [f"{a} → {b}" for a in own for b in sorted(graph[a]) if b in own and own[a] != own[b]]


def classes_over(fields: int, paths: Sequence[Path] = MODULES) -> list[str]:
    """Classes with more annotated fields, or attributes that they set when they are made."""
    found = []
    for path in paths:
        for node in (node for node in statements(path) if isinstance(node, ast.ClassDef)):
            names = {ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)}
            making = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
            names |= {one.attr for function in making for one in ast.walk(function) if _is_set(one, of="self")}
            found += [f"{_place(path)} {node.name}: {len(names)}"] if len(names) > fields else []
    return found


def functions_over(parameters: int, paths: Sequence[Path] = MODULES) -> list[str]:
    """Functions with more parameters, apart from those that Python users call, whose parameters are options."""
    found = []
    for path in paths:
        verbs = path == SOURCE / "estimator.py" or path.parent == SOURCE / "workflows" / "python"
        for node in functions(path) if not verbs else ():
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len(names) - (names[:1] in (["self"], ["cls"]))
            found += [f"{_place(path)} {node.name}: {count}"] if count > parameters else []
    return found


def private_names(paths: Sequence[Path] = MODULES) -> list[str]:
    """What is used of libraries although it begins with `_` or stands in a module that is `UNDOCUMENTED`."""
    found = []
    for path in paths:
        nodes = list(ast.walk(parsed(path)))
        own = {getattr(node, kind, None) for node in nodes for kind in ("name", "arg", "id")}
        own |= {node.attr for node in nodes if _is_set(node)}
        for node in nodes:
            used: list[str] = []
            if isinstance(node, ast.Attribute) and node.attr not in own:
                used = [node.attr]
            elif isinstance(node, ast.Import):
                used = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("vidi"):
                used = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [f"{_place(path)}:{node.lineno} {name}" for name in used if _is_private(name)]
    return found


def _is_set(node: ast.AST, *, of: str = "") -> bool:
    is_set = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    return is_set and of in ("", ast.unparse(node.value))


def _place(path: Path) -> str:
    return path.as_posix().rpartition("/vidi/")[2]


def _is_private(name: str) -> bool:
    parts = [part for part in name.split(".") if part.startswith("_") and not part.endswith("_") and part not in PUBLIC]
    return bool(parts) or name.startswith(UNDOCUMENTED)


def options() -> dict[str, int]:
    """Verb → how many options it has, apart from `--help`."""
    from vidi.cli.app import VERBS, made_command

    return {verb: sum(one.param_type_name == "option" for one in made_command(verb).params) for verb in VERBS}


def figures() -> Iterator[tuple[str, int, str, Sequence[object]]]:
    """Name, value, target at the end, and what is counted where that is a list."""
    graph, of_verb = imports(), options()
    fans = sorted(((len(others), name) for name, others in graph.items()), reverse=True)
    pages = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "reference" not in path.parts]
    crowded = {verb: count for verb, count in of_verb.items() if count > 24 and verb != "train"}
    for name, counted, target in (
        ("files of src", [path.relative_to(SOURCE) for path in MODULES], "<= 480"),
        ("verbs", list(of_verb), ""),
        ("verbs but train with over 24 options", list(crowded.items()), "0"),
        ("cycles between folders", folder_cycles(graph), "0"),
        ("imports from one room of workflows into another", sideways(graph), ""),
        ("modules with over 20 imports from the project", [one for one in fans if one[0] > 20], "0"),
        ("classes with over 15 fields", classes_over(15), "0"),
        ("functions with over 7 parameters", functions_over(7), "0"),
        ("private names of libraries", private_names(), "0"),
    ):
        yield name, len(counted), target, counted
    yield "lines of src", sum(text_of(path).count("\n") for path in MODULES), "<= 73000 (80000 after the cut)", ()
    yield "options of all verbs", sum(of_verb.values()), "<= 240", list(of_verb.items())
    yield "options of train", of_verb["train"], "<= 38", ()
    yield "most imports of a module", fans[0][0], "<= 20", fans[:1]
    words = sum(len(WRITTEN_BY_A_TOOL.sub("", text_of(path)).split()) for path in pages)
    yield "words of docs, without what tools write", words, "<= 45000", pages


def main() -> None:
    """Print all, or what one of them counts."""
    for name, value, target, counted in figures():
        print(f"{name:48} {value:7,}  {target}")
        if sys.argv[1:] and name.startswith(" ".join(sys.argv[1:])):
            print(*(f"    {one}" for one in counted), sep="\n")


if __name__ == "__main__":
    main()
