"""The pages, the help and the docstrings use the field's own words."""

import ast
import functools
import re
from collections.abc import Iterator

from tools.build_reference import pages
from tools.measure_house import MODULES, parsed, statements

from tests.docs.pages import ROOT
from vidi.cli.app import VERBS, made_command

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/how-to/*.md")})
UNUSUAL = re.compile(r"\b(rightly|said aloud|learnt|so many of|dealt|wished|put away|counts? for nothing)\b")
IN_CODE = re.compile(
    UNUSUAL.pattern + r"|\b(told|anew|as ever|aloud|by lot|so (many|much|often)|wish(es)?|what came of it)\b", re.I
)


def test_the_pages_use_the_fields_words():
    texts = {page.name: re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S) for page in PAGES}
    found = [(name, match[0]) for name, text in texts.items() for match in UNUSUAL.finditer(text)]

    assert found == []


def help_texts() -> Iterator[tuple[str, str]]:
    """Verb and option → what `--help` says."""
    for verb, (_, line) in VERBS.items():
        command = made_command(verb)
        yield verb, line
        yield verb, str(command.help)
        yield from ((f"{verb} {option.name}", str(option.help)) for option in command.params if option.name != "help")


@functools.cache
def first_lines() -> tuple[tuple[str, str], ...]:
    """Definition → the first paragraph of its docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [(path, node) for path in MODULES for node in (parsed(path), *statements(path))]
    return tuple(
        (f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", text.split("\n\n")[0])
        for path, node in nodes
        if isinstance(node, documented) and (text := ast.get_docstring(node))
    )


def test_help_docstrings_and_reference_use_the_fields_words():
    reference = ((name, line) for name, page in pages().items() for line in page.splitlines())
    texts = {*help_texts(), *first_lines(), *reference}
    plain = ((name, re.sub(r"`[^`]*`", "", text)) for name, text in texts)

    assert sorted((name, match[0]) for name, text in plain for match in IN_CODE.finditer(text)) == []


def test_the_help_of_an_option_is_one_sentence():
    options = [(name, text) for name, text in help_texts() if " " in name]

    assert [name for name, text in options if not text.endswith(".") or ". " in text or len(text) > 120] == []
